import { defineMixer, uniformFan } from '@seq/nn';
import type { CausalMixer } from '@seq/nn';
import type { Tensor } from '@seq/tensor';
import { bigramTable } from './op.js';

/** Options of `bigram`. */
export interface BigramOptions {
  readonly dModel: number;
}

/** Parameters of `bigram`. */
export type BigramParams = {
  /** [C, C], row = present symbol */
  table: Tensor;
};

/** Nothing is remembered. */
export type BigramState = Record<string, never>;

/**
 * The 2-gram as a mixer: the baseline that sees the present position alone.
 *
 *   y_t = x_t E
 *
 * With one-hot inputs and dModel = V, E is the table of logits `V × V` itself.
 *
 * @throws OptionError  a dModel that is no positive integer
 */
export function bigram({ dModel: C }: BigramOptions): CausalMixer<BigramParams, BigramState> {
  return defineMixer<BigramParams, BigramState>({
    spec: { kind: 'seq/bigram', dModel: C, options: {} },
    reach: 1,
    honours: ['lengths', 'resets'], // without a state there is nothing to keep or to clear
    init: (key, o) => ({ table: uniformFan(key, [C, C], o) }),
    initState: () => ({}),
    forward: ({ table }, x) => bigramTable(x, table),
    prefill: ({ table }, x, state) => [bigramTable(x, table), state],
    step: ({ table }, x, state) => [bigramTable(x, table), state],
    cost({ B, T }) {
      const matmulFlops = 2 * B * T * C * C;
      return { params: C * C, matmulFlops, flops: matmulFlops, stateFloats: 0 };
    },
  });
}
