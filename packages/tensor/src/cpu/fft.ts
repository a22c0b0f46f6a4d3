import { sizeOf } from '../engine/dtype.js';
import type { CpuCall } from '../engine/op.js';
import { fft } from '../wasm/modules.js';
import { fftPlan } from './fft-plan.js';
import type { FftPlan, FftStage } from './fft-plan.js';
import { defineKernels } from './heap.js';
import type { KernelModule } from './heap.js';
import { address, kernelsOf } from './kernel.js';

/** Which transform: e^(−i…) or e^(+i…), and what the result is multiplied by. */
export interface FftAttrs {
  readonly inverse: boolean;
  readonly scale: number;
}

/** The module wasm/fft, which programs without transforms do not carry. */
interface FftKernels {
  /** One pass over a row; factors by address. */
  fftStage(
    radix: number,
    m: number,
    s: number,
    xr: number,
    xi: number,
    yr: number,
    yi: number,
    factors: number,
  ): void;
}

const fftKernels: KernelModule<FftKernels> = /* @__PURE__ */ defineKernels(fft);

type Pair = readonly [re: Float64Array, im: Float64Array];

/**
 * One pass of Stockham's algorithm, which sorts as it goes, in double:
 *
 *   y[q + s (r p + k)] = e^(−2πi p k / (r m)) Σ_j x[q + s (p + j m)] e^(−2πi j k / r)
 */
function pass([xr, xi]: Pair, [yr, yi]: Pair, { factors }: FftPlan, stage: FftStage): void {
  const { radix: r, m, s, factors: first } = stage;
  const roots = Array.from({ length: r }, (_, j) => (2 * Math.PI * j) / r);
  const [cos, sin] = [roots.map(Math.cos), roots.map((a) => -Math.sin(a))];
  for (let p = 0; p < m; p++) {
    for (let k = 0; k < r; k++) {
      const wr = k === 0 ? 1 : factors[first + (2 * k - 2) * m + p];
      const wi = k === 0 ? 0 : factors[first + (2 * k - 1) * m + p];
      for (let q = 0; q < s; q++) {
        let [re, im] = [0, 0];
        for (let j = 0; j < r; j++) {
          const at = q + s * (p + j * m);
          const turn = (j * k) % r;
          re += xr[at] * cos[turn] - xi[at] * sin[turn];
          im += xr[at] * sin[turn] + xi[at] * cos[turn];
        }
        yr[q + s * (r * p + k)] = re * wr - im * wi;
        yi[q + s * (r * p + k)] = re * wi + im * wr;
      }
    }
  }
}

/** The transform of a smooth length of one row in double: `from` ends up holding the result of all passes or `work` does. */
export function fftLoops(n: number, from: Pair, work: Pair): Pair {
  const plan = fftPlan(n);
  let [x, y] = [from, work];
  for (const stage of plan.stages) {
    pass(x, y, plan, stage);
    [x, y] = [y, x];
  }
  return x;
}

/** Bytes of scratch: two rows of pairs in double, or one in single beside the factors. */
export function fftScratch(n: number): number {
  return Math.max(32 * n, 8 * n + 4 * fftPlan(n).factors.length);
}

/** Rows of re, im [..., N] → re, im. The inverse is the transform with both parts exchanged, before and after. */
export function fftCpu(call: CpuCall<FftAttrs>): void {
  const { inputs, outputs, attrs, scratch } = call;
  const swapped = attrs.inverse ? [1, 0] : [0, 1];
  const [xr, xi] = swapped.map((i) => inputs[i]);
  const [yr, yi] = swapped.map((i) => outputs[i]);
  const n = xr.shape[xr.shape.length - 1];
  const rows = n === 0 ? 0 : sizeOf(xr.shape) / n;
  const single = xr.data instanceof Float32Array && n > 1;
  const passes = single ? kernelsOf(call, fftKernels) : null;
  const kernels = single ? kernelsOf(call) : null;
  if (passes !== null && kernels !== null) {
    const at = [xr, xi, yr, yi].map(address);
    runRows(passes, fftPlan(n), rows, at, scratch);
    for (const y of attrs.scale === 1 ? [] : at.slice(2)) kernels.scaleOf(y, rows * n, attrs.scale);
    return;
  }
  const part = (i: number): Float64Array => scratch.subarray(i * n, (i + 1) * n);
  for (let row = 0; row < rows; row++) {
    const from = [part(0), part(1)] as const;
    for (let i = 0; i < n; i++) {
      from[0][i] = xr.data[xr.offset + row * n + i];
      from[1][i] = xi.data[xi.offset + row * n + i];
    }
    const [re, im] = fftLoops(n, from, [part(2), part(3)]);
    for (let i = 0; i < n; i++) {
      yr.data[yr.offset + row * n + i] = attrs.scale * re[i];
      yi.data[yi.offset + row * n + i] = attrs.scale * im[i];
    }
  }
}

/** The passes of each row go between the output and one row of scratch, so that the last one ends in the output. */
function runRows(
  kernels: FftKernels,
  { n, stages, factors32 }: FftPlan,
  rows: number,
  at: readonly number[],
  scratch: Float64Array,
): void {
  const base = scratch.byteOffset;
  const work = [base, base + 4 * n];
  const table = base + 8 * n;
  new Float32Array(scratch.buffer, table, factors32.length).set(factors32);
  for (let row = 0; row < rows; row++) {
    const [xr, xi, yr, yi] = at.map((a) => a + 4 * n * row);
    let x = [xr, xi];
    stages.forEach(({ radix, m, s, factors }, i) => {
      const y = (stages.length - i) % 2 === 1 ? [yr, yi] : work;
      kernels.fftStage(radix, m, s, x[0], x[1], y[0], y[1], table + 4 * factors);
      x = y;
    });
  }
}
