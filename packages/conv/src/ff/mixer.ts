import { activationFlops, checkActivation, defineMixer, feedForward, feedForwardInit } from '@seq/nn';
import type { Activation, CausalMixer, FeedForwardParams } from '@seq/nn';
import { checkSizes } from '../internal/window-mixer.js';

/** Options of `ff`. */
export interface FfOptions {
  readonly dModel: number;
  /** F, width between the maps; 4 dModel unless told otherwise. */
  readonly hidden?: number;
  readonly activation?: Activation;
  readonly bias?: boolean;
}

/** Nothing is remembered. */
export type FfState = Record<string, never>;

/**
 * The position-wise feed-forward network as a mixer: every position by itself, the baseline without a memory.
 *
 *   y_t = W₂ f(W₁ x_t + b₁) + b₂
 *
 * @throws OptionError  sizes that are no positive integers, an unknown activation
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. 2
 */
export function ff({
  dModel: C,
  hidden: F = 4 * C,
  activation = 'gelu',
  bias = true,
}: FfOptions): CausalMixer<FeedForwardParams, FfState> {
  checkActivation('ff', activation);
  checkSizes('ff', { dModel: C, hidden: F });
  return defineMixer<FeedForwardParams, FfState>({
    spec: { kind: 'seq/ff', dModel: C, options: { hidden: F, activation, bias } },
    reach: 1,
    honours: ['lengths', 'resets'], // without a state there is nothing to keep or to clear
    init: (key, o) => feedForwardInit(key, C, { ...o, hidden: F, bias }),
    initState: () => ({}),
    forward: (params, x) => feedForward(x, params, { activation }),
    prefill: (params, x, state) => [feedForward(x, params, { activation }), state],
    step: (params, x, state) => [feedForward(x, params, { activation }), state],
    cost({ B, T }) {
      const matmulFlops = 4 * B * T * C * F;
      const biases = bias ? F + C : 0;
      return {
        params: 2 * C * F + biases,
        matmulFlops,
        flops: matmulFlops + B * T * (biases + activationFlops(activation) * F),
        stateFloats: 0,
      };
    },
  });
}
