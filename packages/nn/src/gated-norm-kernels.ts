// CPU kernels of rmsNormGated, forward and backward, for f32 and f64 arrays.
import type { CpuCall, CpuView } from '@seq/tensor';

type Floats = Float32Array | Float64Array;

export interface GatedNormAttrs {
  readonly eps: number;
  /** Length of a group; divides the last axis. */
  readonly groupSize: number;
  /** Norm first, then the gate. */
  readonly normBeforeGate: boolean;
  /** silu instead of sigmoid. */
  readonly silu: boolean;
  readonly weight: boolean;
  readonly bias: boolean;
}

const floats = (view: CpuView): Floats => view.data as Floats;
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** g(z); −∞ closes the gate. */
function gate(z: number, silu: boolean): number {
  const s = sigmoid(z);
  if (!silu) return s;
  return s === 0 ? 0 : z * s;
}

/** g'(z). */
function slope(z: number, silu: boolean): number {
  const s = sigmoid(z);
  if (s === 0 || s === 1) return silu ? s : 0;
  return silu ? s * (1 + z * (1 - s)) : s * (1 - s);
}

/** Number of elements, and length of the last axis. */
function sizes({ shape }: CpuView): [size: number, n: number] {
  return [shape.reduce((a, b) => a * b, 1), shape[shape.length - 1]];
}

export function rmsNormGatedCpu({ inputs, outputs, attrs }: CpuCall<GatedNormAttrs>): void {
  const { eps, groupSize, normBeforeGate, silu } = attrs;
  const [vx, vz, ...vectors] = inputs as [CpuView, CpuView, ...CpuView[]];
  const vw = attrs.weight ? vectors[0] : undefined;
  const vb = attrs.bias ? vectors[attrs.weight ? 1 : 0] : undefined;
  const [x, z, y] = [floats(vx), floats(vz), floats(outputs[0])];
  const [w, b] = [vw && floats(vw), vb && floats(vb)];
  const [ow, ob] = [vw?.offset ?? 0, vb?.offset ?? 0];
  const [ox, oz, oy] = [vx.offset, vz.offset, outputs[0].offset];
  const [size, n] = sizes(vx);
  for (let at = 0; at < size; at += groupSize) {
    let sum = 0;
    for (let i = at; i < at + groupSize; i++) {
      const v = normBeforeGate ? x[ox + i] : x[ox + i] * gate(z[oz + i], silu);
      sum += v * v;
    }
    const scale = 1 / Math.sqrt(sum / groupSize + eps);
    for (let i = at, c = at % n; i < at + groupSize; i++, c++) {
      const g = gate(z[oz + i], silu);
      let v = (normBeforeGate ? x[ox + i] : x[ox + i] * g) * scale;
      if (w) v *= w[ow + c];
      if (b) v += b[ob + c];
      y[oy + i] = normBeforeGate ? v * g : v;
    }
  }
}

/** inputs x, z, weight if any, bias if any, dy; outputs dx, dz, dweight [n], dbias [n]; scratch 2 n doubles. */
export function rmsNormGatedBackwardCpu({ inputs, outputs, attrs, scratch }: CpuCall<GatedNormAttrs>): void {
  const { eps, groupSize, normBeforeGate, silu } = attrs;
  const [vx, vz] = inputs;
  const vw = attrs.weight ? inputs[2] : undefined;
  const vb = attrs.bias ? inputs[attrs.weight ? 3 : 2] : undefined;
  const vg = inputs[inputs.length - 1];
  const [vdx, vdz, vdw, vdb] = outputs as readonly [CpuView, CpuView, CpuView, CpuView];
  const [x, z, dy, dx, dz] = [floats(vx), floats(vz), floats(vg), floats(vdx), floats(vdz)];
  const [w, b] = [vw && floats(vw), vb && floats(vb)];
  const [ow, ob] = [vw?.offset ?? 0, vb?.offset ?? 0];
  const [ox, oz, og] = [vx.offset, vz.offset, vg.offset];
  const [size, n] = sizes(vx);
  scratch.fill(0, 0, 2 * n);
  for (let at = 0; at < size; at += groupSize) {
    let sum = 0;
    for (let i = at; i < at + groupSize; i++) {
      const v = normBeforeGate ? x[ox + i] : x[ox + i] * gate(z[oz + i], silu);
      sum += v * v;
    }
    const scale = 1 / Math.sqrt(sum / groupSize + eps);
    let dot = 0;
    for (let i = at, c = at % n; i < at + groupSize; i++, c++) {
      const g = gate(z[oz + i], silu);
      const unit = (normBeforeGate ? x[ox + i] : x[ox + i] * g) * scale;
      const d = normBeforeGate ? dy[og + i] * g : dy[og + i];
      dot += (w ? d * w[ow + c] : d) * unit;
      scratch[c] += d * unit;
      scratch[n + c] += d;
    }
    dot /= groupSize;
    for (let i = at, c = at % n; i < at + groupSize; i++, c++) {
      const g = gate(z[oz + i], silu);
      const k = w ? w[ow + c] : 1;
      const unit = (normBeforeGate ? x[ox + i] : x[ox + i] * g) * scale;
      const d = (normBeforeGate ? dy[og + i] * g : dy[og + i]) * k;
      const inner = scale * (d - unit * dot); // slope by what is normalised
      const onGate = normBeforeGate ? dy[og + i] * (unit * k + (b ? b[ob + c] : 0)) : inner * x[ox + i];
      dx[vdx.offset + i] = normBeforeGate ? inner : inner * g;
      dz[vdz.offset + i] = onGate * slope(z[oz + i], silu);
    }
  }
  const [dw, db] = [floats(vdw), floats(vdb)];
  for (let i = 0; i < n; i++) {
    dw[vdw.offset + i] = scratch[i];
    db[vdb.offset + i] = scratch[n + i];
  }
}
