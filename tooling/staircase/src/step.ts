import {
  add,
  concat,
  expandDims,
  linspace,
  mul,
  OptionError,
  reshape,
  sigmoid,
  slice,
  sub,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalDefinition, CausalMixer, CostAt, LinearParams } from '@seq/nn';

export interface GammaOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Taps N of each channel, the present input being the first. Default 4. */
  readonly stateDim?: number;
}

export interface GammaParams {
  /** [C] rate μ before the sigmoid */
  readonly logitRate: Tensor;
  /** weight [C, C·N], bias [C] */
  readonly out: LinearParams;
}

export interface GammaState {
  /** [B, C, N] */
  readonly taps: Tensor;
}

/**
 * All of the mechanism but its train form: parameters, state, one step, costs.
 *
 * @param rateFlops  what a form spends per channel to turn `logitRate` into rates; the stairs differ in it
 */
export function gammaDefinition(
  { dModel: C, stateDim: N = 4 }: GammaOptions,
  rateFlops: (at: CostAt) => number,
): CausalDefinition<GammaParams, GammaState> {
  if (!Number.isInteger(N) || N < 2)
    throw new OptionError(`gammaMemory: stateDim must be an integer of at least 2, got ${N}. 4 is usual.`);
  return {
    spec: { kind: 'example/gamma-memory', dModel: C, options: { stateDim: N } },
    noDecay: ['logitRate'],
    init: (key, o) => ({ logitRate: linspace(-2, 4, C, o), out: linearInit(key, C * N, C, o) }),
    initState: (B, o) => ({ taps: zeros([B, C, N], o) }),
    step({ logitRate, out }, x, { taps }) {
      const rate = expandDims(sigmoid(logitRate), 1);
      const [older, newer] = [slice(taps, 2, 1), slice(taps, 2, 0, N - 1)];
      const next = concat([expandDims(x, 2), add(older, mul(rate, sub(newer, older)))], 2);
      return [linear(reshape(next, [x.shape[0], C * N]), out), { taps: next }];
    },
    cost: (now) => ({
      params: C + C * C * N + C,
      matmulFlops: 2 * now.B * now.T * C * C * N,
      flops: now.B * now.T * C * (2 * C * N + 3 * (N - 1) + 1) + C * rateFlops(now),
      stateFloats: now.B * C * N,
    }),
  };
}

/** The mixer. `prefill` and `forward` fold `step` over time: T dependent steps, which `serial` declares. */
export function gammaMemory(options: GammaOptions): CausalMixer<GammaParams, GammaState> {
  return defineMixer({ ...gammaDefinition(options, ({ T }) => T), serial: true });
}
