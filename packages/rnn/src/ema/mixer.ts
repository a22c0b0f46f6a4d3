import { add, at, linspace, mul, sigmoid, sub, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { exponentialMovingAverage } from './op.js';

/** Options of the `ema` mixer. */
export interface EmaOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
}

/** Parameters of the `ema` mixer. */
export interface EmaParams {
  /** [C] decay before the sigmoid */
  readonly logitDecay: Tensor;
  /** weight [C, C], bias [C] */
  readonly out: LinearParams;
}

/** State of the `ema` mixer. */
export interface EmaState {
  /** [B, C] the averages */
  readonly h: Tensor;
}

/**
 * Exponential moving average as a mixer: every channel remembers a fading mean of its past, and a matrix mixes the means.
 *
 *   a = σ(logitDecay)    h_t = a ∘ h_{t−1} + (1 − a) ∘ x_t    y_t = W h_t + b
 *
 * `init` spreads the decays from 0.05 to 0.95 (a memory of a third of a step to twenty steps); W, b ~ U(±1/√C).
 */
export function ema({ dModel: C }: EmaOptions): CausalMixer<EmaParams, EmaState> {
  return defineMixer<EmaParams, EmaState>({
    spec: { kind: 'seq/ema', dModel: C, options: {} },
    noDecay: ['logitDecay'],
    init: (key, o) => ({ logitDecay: linspace(-3, 3, C, o), out: linearInit(key, C, C, o) }),
    initState: (B, o) => ({ h: zeros([B, C], o) }),
    step({ logitDecay, out }, x, { h }) {
      const next = add(x, mul(sigmoid(logitDecay), sub(h, x)));
      return [linear(next, out), { h: next }];
    },
    prefill({ logitDecay, out }, x, { h }) {
      const T = x.shape[1];
      const means = exponentialMovingAverage(x, sigmoid(logitDecay), { h0: h });
      return [linear(means, out), { h: T === 0 ? h : at(means, T - 1, 1) }];
    },
    cost: ({ B, T, form }) => ({
      params: 2 * C + C * C,
      matmulFlops: 2 * B * T * C * C,
      flops: B * T * (2 * C * C + 4 * C) + (form === 'step' ? C : 2 * C), // σ, and 1 − a
      stateFloats: B * C,
    }),
  });
}
