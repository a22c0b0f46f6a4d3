import { apply, apply1, at, defineOp, ShapeError, show, vjp } from '@seq/tensor';
import type { CpuCall, Op, Tensor } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { gammaMemoryOver, gammaTaps } from './parallel.js';
import type { GammaTaps } from './parallel.js';
import type { GammaOptions, GammaParams, GammaState } from './step.js';

/** The op: its shape rule, its kernel, its oracle, its gradient, what it costs. */
export const gammaTapsOp: Op<null> = defineOp<null>({
  name: 'gammaTaps',
  infer(inputs) {
    const [x, , taps] = inputs;
    const [B, T, C] = x.shape;
    const N = taps.shape[2];
    const [got, want] = [inputs.map(({ shape }) => show(shape)), [[B, T, C], [C], [B, C, N]].map(show)];
    if (got.join() !== want.join())
      throw new ShapeError(
        `gammaTaps: x must be [B, T, C], rate [C] and taps [B, C, N], got ${got.join(', ')}. B and C come from x.`,
      );
    return { shape: [B, T, C, N], dtype: x.dtype };
  },
  cpu: forward,
  reference: ([x, rate, taps]) => gammaTaps(x, rate, taps),
  vjp({ inputs: [, rate, taps], outputs: [g], cotangents: [dg] }) {
    return apply(gammaBackwardOp, [dg!, g, rate, taps], null) as Tensor[];
  },
  cost: ([x], [g]) => ({ flops: 3 * (size(g.shape) - size(x.shape)) }),
});

/** Gradients by x, rate and taps from that by g. Its oracle differentiates the stair below. */
const gammaBackwardOp: Op<null> = defineOp<null>({
  name: 'gammaTaps.backward',
  infer: ([dg, , rate, taps]) =>
    [dg.shape.slice(0, 3), rate.shape, taps.shape].map((shape) => ({ shape, dtype: dg.dtype })),
  cpu: backward,
  scratch: ([, , , taps]) => 8 * (taps.shape[1] * taps.shape[2] + taps.shape[1]),
  reference: ([dg, g, rate, taps]) => vjp(gammaTaps, [at(g, 0, 3), rate, taps], dg)[1],
  cost: ([dg]) => ({ flops: 7 * size(dg.shape) }),
});

/** In one pass over memory: every tap from itself and its neighbour, one position earlier. */
function forward({ inputs, outputs }: CpuCall<null>): void {
  const [x, rate, taps] = inputs;
  const [g] = outputs;
  const [B, T, C, N] = g.shape;
  const row = C * N;
  for (let b = 0; b < B; b++) {
    let [before, from] = [taps.data, taps.offset + b * row];
    for (let t = 0; t < T; t++) {
      const to = g.offset + (b * T + t) * row;
      for (let c = 0, i = 0; c < C; c++) {
        const mu = rate.data[rate.offset + c];
        g.data[to + i] = x.data[x.offset + (b * T + t) * C + c];
        for (const end = i++ + N; i < end; i++) {
          const old = before[from + i];
          g.data[to + i] = old + mu * (before[from + i - 1] - old);
        }
      }
      [before, from] = [g.data, to];
    }
  }
}

/**
 * Against time, with λ the gradient by the taps of a position:
 *
 *   dx = λ_0      dμ += Σ_k λ_k (g_{k−1} − g_k)      λ_k ← dg_k + (1 − μ) λ_k [k > 0] + μ λ_{k+1}
 */
function backward({ inputs, outputs, scratch }: CpuCall<null>): void {
  const [dg, g, rate, taps] = inputs;
  const [dx, drate, dtaps] = outputs;
  const [B, T, C, N] = dg.shape;
  const row = C * N;
  const lambda = scratch.subarray(0, row);
  const sums = scratch.subarray(row, row + C).fill(0);
  for (let b = 0; b < B; b++) {
    lambda.fill(0);
    for (let t = T - 1; t >= 0; t--) {
      const now = (b * T + t) * row;
      const [before, from] = t > 0 ? [g.data, g.offset + now - row] : [taps.data, taps.offset + b * row];
      for (let c = 0; c < C; c++) {
        const mu = rate.data[rate.offset + c];
        const first = c * N;
        let here = lambda[first] + dg.data[dg.offset + now + first];
        dx.data[dx.offset + (b * T + t) * C + c] = here;
        for (let i = first + 1; i < first + N; i++) {
          const next = lambda[i] + dg.data[dg.offset + now + i];
          sums[c] += next * (before[from + i - 1] - before[from + i]);
          lambda[i - 1] = (i - 1 > first ? (1 - mu) * here : 0) + mu * next;
          here = next;
        }
        lambda[first + N - 1] = (1 - mu) * here;
      }
    }
    dtaps.data.set(lambda, dtaps.offset + b * row);
  }
  drate.data.set(sums, drate.offset);
}

function size(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

export const fusedGammaTaps: GammaTaps = (x, rate, taps) => apply1(gammaTapsOp, [x, rate, taps], null);

export const gammaMemory: (options: GammaOptions) => CausalMixer<GammaParams, GammaState> = gammaMemoryOver(
  fusedGammaTaps,
  () => 1,
);
