// CPU kernels of layerNorm and rmsNorm, forward and backward: those of the device for f32, loops for all else.
import { address, kernelsOf } from '@seq/tensor';
import type { CpuCall, CpuView, Kernels } from '@seq/tensor';

type Floats = Float32Array | Float64Array;

const floats = (view: CpuView): Floats => view.data as Floats;

/** Mean and 1/√(variance + eps) of one row, in two passes: safe when the mean is large. */
function moments(x: Floats, at: number, n: number, eps: number, out: Float64Array): void {
  let s0 = 0;
  let s1 = 0;
  let i = 0;
  for (; i + 1 < n; i += 2) {
    s0 += x[at + i];
    s1 += x[at + i + 1];
  }
  if (i < n) s0 += x[at + i];
  const mean = (s0 + s1) / n;
  let q0 = 0;
  let q1 = 0;
  for (i = 0; i + 1 < n; i += 2) {
    const a = x[at + i] - mean;
    const b = x[at + i + 1] - mean;
    q0 += a * a;
    q1 += b * b;
  }
  if (i < n) {
    const a = x[at + i] - mean;
    q0 += a * a;
  }
  out[0] = mean;
  out[1] = 1 / Math.sqrt((q0 + q1) / n + eps);
}

/** 1/√(mean of squares + eps) of one row. */
function inverseRms(x: Floats, at: number, n: number, eps: number): number {
  let q0 = 0;
  let q1 = 0;
  let i = 0;
  for (; i + 1 < n; i += 2) {
    q0 += x[at + i] * x[at + i];
    q1 += x[at + i + 1] * x[at + i + 1];
  }
  if (i < n) q0 += x[at + i] * x[at + i];
  return 1 / Math.sqrt((q0 + q1) / n + eps);
}

export interface NormAttrs {
  readonly eps: number;
  readonly weight: boolean;
  readonly bias: boolean;
}

const pair = new Float64Array(2);

/** The kernels of the device where x is f32 and has elements. */
function fast(call: CpuCall<NormAttrs>): Kernels | null {
  const x = call.inputs[0];
  return x.data instanceof Float32Array && rowsOf(x)[0] > 0 ? kernelsOf(call) : null;
}

/** Forward on the kernels of the device; rmsNorm does not take the mean off (`centre` false). */
function normFast(k: Kernels, { inputs, outputs, attrs }: CpuCall<NormAttrs>, centre: boolean): void {
  const [n, rows] = rowsOf(inputs[0]);
  const w = attrs.weight ? address(inputs[1]) : 0;
  const b = attrs.bias ? address(inputs[inputs.length - 1]) : 0;
  k.normRows(address(outputs[0]), address(inputs[0]), n, rows, w, b, attrs.eps, centre);
}

/** Backward on the kernels of the device; scratch takes the sums for weight and bias in double. */
function normGradFast(k: Kernels, call: CpuCall<NormAttrs>, centre: boolean): void {
  const { inputs, outputs, attrs, scratch } = call;
  const [n, rows] = rowsOf(inputs[0]);
  const [x, g] = [address(inputs[0]), address(inputs[inputs.length - 1])];
  const w = attrs.weight ? address(inputs[1]) : 0;
  const sums = scratch.byteOffset;
  k.normGradRows(address(outputs[0]), x, g, n, rows, w, attrs.eps, centre, sums, sums + 8 * n);
  for (let i = 1; i < outputs.length; i++) {
    const { data, offset } = outputs[i];
    for (let c = 0; c < n; c++) data[offset + c] = scratch[(i - 1) * n + c];
  }
}

export function layerNormCpu(call: CpuCall<NormAttrs>): void {
  const kernels = fast(call);
  if (kernels !== null) return normFast(kernels, call, true);
  const { inputs, outputs, attrs } = call;
  const [vx, ...rest] = inputs as [CpuView, ...CpuView[]];
  const vw = attrs.weight ? rest[0] : undefined;
  const vb = attrs.bias ? rest[attrs.weight ? 1 : 0] : undefined;
  const vy = outputs[0];
  const [x, y] = [floats(vx), floats(vy)];
  const w = vw && floats(vw);
  const b = vb && floats(vb);
  const [ow, ob] = [vw?.offset ?? 0, vb?.offset ?? 0];
  const [n, rows] = rowsOf(vx);
  for (let r = 0; r < rows; r++) {
    const at = vx.offset + r * n;
    const to = vy.offset + r * n;
    moments(x, at, n, attrs.eps, pair);
    const [mean, scale] = pair as unknown as [number, number];
    for (let i = 0; i < n; i++) {
      let v = (x[at + i] - mean) * scale;
      if (w) v *= w[ow + i];
      if (b) v += b[ob + i];
      y[to + i] = v;
    }
  }
}

/** inputs x, weight if any, dy; outputs dx, dweight [n], dbias [n]; scratch 2 n doubles. */
export function layerNormBackwardCpu(call: CpuCall<NormAttrs>): void {
  const kernels = fast(call);
  if (kernels !== null) return normGradFast(kernels, call, true);
  const { inputs, outputs, attrs, scratch } = call;
  const vx = inputs[0];
  const vw = attrs.weight ? inputs[1] : undefined;
  const vg = inputs[inputs.length - 1];
  const [vdx, vdw, vdb] = outputs as readonly [CpuView, CpuView, CpuView];
  const [x, g, dx] = [floats(vx), floats(vg), floats(vdx)];
  const w = vw && floats(vw);
  const ow = vw?.offset ?? 0;
  const [n, rows] = rowsOf(vx);
  scratch.fill(0, 0, 2 * n);
  for (let r = 0; r < rows; r++) {
    const at = vx.offset + r * n;
    const from = vg.offset + r * n;
    const to = vdx.offset + r * n;
    moments(x, at, n, attrs.eps, pair);
    const [mean, scale] = pair as unknown as [number, number];
    let sum = 0;
    let dot = 0;
    for (let i = 0; i < n; i++) {
      const unit = (x[at + i] - mean) * scale;
      const gi = g[from + i];
      const gw = w ? gi * w[ow + i] : gi;
      sum += gw;
      dot += gw * unit;
      scratch[i] += gi * unit;
      scratch[n + i] += gi;
    }
    sum /= n;
    dot /= n;
    for (let i = 0; i < n; i++) {
      const unit = (x[at + i] - mean) * scale;
      const gw = w ? g[from + i] * w[ow + i] : g[from + i];
      dx[to + i] = scale * (gw - sum - unit * dot);
    }
  }
  const [dw, db] = [floats(vdw), floats(vdb)];
  for (let i = 0; i < n; i++) {
    dw[vdw.offset + i] = scratch[i];
    db[vdb.offset + i] = scratch[n + i];
  }
}

export function rmsNormCpu(call: CpuCall<NormAttrs>): void {
  const kernels = fast(call);
  if (kernels !== null) return normFast(kernels, call, false);
  const { inputs, outputs, attrs } = call;
  const vx = inputs[0];
  const vw = attrs.weight ? inputs[1] : undefined;
  const vy = outputs[0];
  const [x, y] = [floats(vx), floats(vy)];
  const w = vw && floats(vw);
  const ow = vw?.offset ?? 0;
  const [n, rows] = rowsOf(vx);
  for (let r = 0; r < rows; r++) {
    const at = vx.offset + r * n;
    const to = vy.offset + r * n;
    const scale = inverseRms(x, at, n, attrs.eps);
    for (let i = 0; i < n; i++) {
      const v = x[at + i] * scale;
      y[to + i] = w ? v * w[ow + i] : v;
    }
  }
}

/** inputs x, weight if any, dy; outputs dx, dweight [n]; scratch n doubles. */
export function rmsNormBackwardCpu(call: CpuCall<NormAttrs>): void {
  const kernels = fast(call);
  if (kernels !== null) return normGradFast(kernels, call, false);
  const { inputs, outputs, attrs, scratch } = call;
  const vx = inputs[0];
  const vw = attrs.weight ? inputs[1] : undefined;
  const vg = inputs[inputs.length - 1];
  const [vdx, vdw] = outputs as readonly [CpuView, CpuView];
  const [x, g, dx] = [floats(vx), floats(vg), floats(vdx)];
  const w = vw && floats(vw);
  const ow = vw?.offset ?? 0;
  const [n, rows] = rowsOf(vx);
  scratch.fill(0, 0, n);
  for (let r = 0; r < rows; r++) {
    const at = vx.offset + r * n;
    const from = vg.offset + r * n;
    const to = vdx.offset + r * n;
    const scale = inverseRms(x, at, n, attrs.eps);
    let dot = 0;
    for (let i = 0; i < n; i++) {
      const unit = x[at + i] * scale;
      const gi = g[from + i];
      dot += (w ? gi * w[ow + i] : gi) * unit;
      scratch[i] += gi * unit;
    }
    dot /= n;
    for (let i = 0; i < n; i++) {
      const gw = w ? g[from + i] * w[ow + i] : g[from + i];
      dx[to + i] = scale * (gw - x[at + i] * scale * dot);
    }
  }
  const dw = floats(vdw);
  for (let i = 0; i < n; i++) dw[vdw.offset + i] = scratch[i];
}

/** Length of the last axis and number of rows. */
function rowsOf({ shape }: CpuView): [n: number, rows: number] {
  const n = shape[shape.length - 1];
  let rows = 1;
  for (let i = 0; i < shape.length - 1; i++) rows *= shape[i];
  return [n, rows];
}
