import {
  activationFlops,
  checkActivation,
  defineMixer,
  gatedFeedForward,
  gatedFeedForwardInit,
  gatedHidden,
} from '@seq/nn';
import type { Activation, CausalMixer, GatedFeedForwardParams } from '@seq/nn';
import { checkSizes } from '../internal/window-mixer.js';
import type { FfState } from './mixer.js';

/** Options of `gatedFf`. */
export interface GatedFfOptions {
  readonly dModel: number;
  /** F, width between the maps; 8/3 dModel rounded up to a multiple of 64 unless told otherwise. */
  readonly hidden?: number;
  readonly activation?: Activation;
  readonly bias?: boolean;
}

/**
 * The gated position-wise feed-forward network (SwiGLU with the default activation) as a mixer.
 *
 *   y_t = W₂ (f(W_g x_t) ∘ W₁ x_t)
 *
 * @throws OptionError  sizes that are no positive integers, an unknown activation
 * @see Shazeer 2020, arXiv:2002.05202, eq. 6
 */
export function gatedFf({
  dModel: C,
  hidden: F = gatedHidden(C),
  activation = 'silu',
  bias = false,
}: GatedFfOptions): CausalMixer<GatedFeedForwardParams, FfState> {
  checkActivation('gatedFf', activation);
  checkSizes('gatedFf', { dModel: C, hidden: F });
  return defineMixer<GatedFeedForwardParams, FfState>({
    spec: { kind: 'seq/gated-ff', dModel: C, options: { hidden: F, activation, bias } },
    reach: 1,
    honours: ['lengths', 'resets'], // without a state there is nothing to keep or to clear
    init: (key, o) => gatedFeedForwardInit(key, C, { ...o, hidden: F, bias }),
    initState: () => ({}),
    forward: (params, x) => gatedFeedForward(x, params, { activation }),
    prefill: (params, x, state) => [gatedFeedForward(x, params, { activation }), state],
    step: (params, x, state) => [gatedFeedForward(x, params, { activation }), state],
    cost({ B, T }) {
      const matmulFlops = 6 * B * T * C * F;
      const biases = bias ? 2 * F + C : 0;
      return {
        params: 3 * C * F + biases,
        matmulFlops,
        flops: matmulFlops + B * T * (biases + (activationFlops(activation) + 1) * F),
        stateFloats: 0,
      };
    },
  });
}
