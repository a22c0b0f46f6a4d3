import {
  at,
  concat,
  expandDims,
  linearRecurrence,
  mul,
  reshape,
  scope,
  sigmoid,
  slice,
  stack,
  sub,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { defineMixer, linear } from '@seq/nn';
import type { CausalMixer, CostAt } from '@seq/nn';
import { gammaDefinition } from './step.js';
import type { GammaOptions, GammaParams, GammaState } from './step.js';

/** The taps after each position [B, T, C, N], from x [B, T, C], rate [C] and the taps before the first [B, C, N]. */
export type GammaTaps = (x: Tensor, rate: Tensor, taps: Tensor) => Tensor;

/** All positions at once: tap k is a linear recurrence over tap k − 1, one position late. N − 1 kernels for any T. */
export const gammaTaps: GammaTaps = (x, rate, taps) => {
  const [B, T, C] = x.shape;
  const N = taps.shape[2];
  if (T === 0) return zeros([B, 0, C, N], { dtype: x.dtype, device: x.device });
  return scope(() => {
    const keep = sub(1, rate);
    const g = [x];
    for (let k = 1; k < N; k++) {
      const late = concat([expandDims(at(taps, k - 1, 2), 1), slice(g[k - 1], 1, 0, T - 1)], 1);
      g.push(linearRecurrence(keep, mul(rate, late), { initial: at(taps, k, 2) }));
    }
    return stack(g, 3);
  });
};

/** The mixer with a train form: `forward` is `prefill` from no past. */
export function gammaMemoryOver(
  tapsOf: GammaTaps,
  rateFlops: (at: CostAt) => number,
): (options: GammaOptions) => CausalMixer<GammaParams, GammaState> {
  return (options) =>
    defineMixer({
      ...gammaDefinition(options, rateFlops),
      prefill({ logitRate, out }, x, { taps }) {
        const [B, T, C] = x.shape;
        const g = tapsOf(x, sigmoid(logitRate), taps);
        const y = linear(reshape(g, [B, T, C * taps.shape[2]]), out);
        return [y, { taps: T === 0 ? taps : at(g, T - 1, 1) }];
      },
    });
}

export const gammaMemory: (options: GammaOptions) => CausalMixer<GammaParams, GammaState> = gammaMemoryOver(
  gammaTaps,
  ({ form }) => (form === 'step' ? 1 : 2),
);
