import { grad, mul, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { GpuArguments, GpuCase } from '@seq/tensor/engine';
import { flashAttention } from './flash-attention/index.js';
import type { FlashAttentionOptions } from './flash-attention/index.js';

interface Setting {
  /** Queries, keys, heads of each, widths of keys and of values. */
  readonly sizes: readonly [T: number, S: number, H: number, G: number, D: number, V: number];
  readonly options?: FlashAttentionOptions;
  readonly bias?: boolean;
}

/** Odd and whole widths, one query and many, shared heads, windows, a bias. */
const settings: readonly Setting[] = [
  { sizes: [9, 9, 2, 2, 8, 8], options: { causal: true } },
  { sizes: [33, 70, 4, 2, 16, 16], options: { causal: true, windowSize: 20 } },
  { sizes: [1, 300, 2, 1, 16, 16], options: { causal: true } },
  { sizes: [7, 13, 2, 2, 5, 3], options: { softcap: 3 }, bias: true },
];

function draw(s: GpuArguments, { sizes: [T, S, H, G, D, V], bias }: Setting): Record<string, Tensor> {
  return {
    q: s.floats([2, T, H, D]),
    k: s.floats([2, S, G, D]),
    v: s.floats([2, S, G, V]),
    ...(bias && { bias: s.floats([1, H, T, S]) }),
  };
}

/**
 * Uses of this room's kernels, for `verify` of `@seq/webgpu-kernels`: `verify(device, { cases: flashCases() })` holds
 * them against the CPU on the adapter at hand.
 */
export function flashCases(): GpuCase[] {
  return settings.flatMap((setting): GpuCase[] => {
    const f = ({ q, k, v, bias }: Record<string, Tensor>): Tensor =>
      flashAttention(q, k, v, { ...setting.options, ...(bias && { bias }) });
    return [
      { run: (s) => f(draw(s, setting)), tolerance: 2e-5 },
      {
        run(s) {
          const drawn = draw(s, setting);
          const weights = s.floats(f(drawn).shape);
          return Object.values(grad((d: Record<string, Tensor>) => sum(mul(f(d), weights)), drawn));
        },
        tolerance: 1e-4,
      },
    ];
  });
}
