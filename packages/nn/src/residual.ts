import { scope } from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import { dropout } from './dropout.js';

/** Options of `residualBlock`. */
export interface ResidualOptions {
  /** Applied to x before the branch, not to the path around it (pre-norm). */
  readonly norm?: (x: Tensor) => Tensor;
  /** Dropout rate of the branch; needs `key` to act. */
  readonly dropout?: number;
  readonly key?: Key | undefined;
}

/**
 * A branch beside the identity.
 *
 *   y = x + dropout(f(norm(x)))
 *
 * A branch that carries a state answers `[y, state]`, and so does the block:
 *
 *   [y, state] = residualBlock(x, (h) => gru.step(params, h, state), { norm })
 *
 * @param x  [..., C]
 * @param f  [..., C] → [..., C], or → [that, anything]
 * @returns  [..., C], or [that, anything]
 * @see He et al. 2016, arXiv:1603.05027 (pre-activation); Xiong et al. 2020, arXiv:2002.04745 (pre-norm)
 */
export function residualBlock<S>(x: Tensor, f: (x: Tensor) => [Tensor, S], o?: ResidualOptions): [Tensor, S];
export function residualBlock(x: Tensor, f: (x: Tensor) => Tensor, o?: ResidualOptions): Tensor;
export function residualBlock<S>(
  x: Tensor,
  f: (x: Tensor) => Tensor | [Tensor, S],
  { norm, dropout: rate = 0, key }: ResidualOptions = {},
): Tensor | [Tensor, S] {
  return scope((): Tensor | [Tensor, S] => {
    const branch = f(norm ? norm(x) : x);
    if (!Array.isArray(branch)) return x.add(dropout(branch, rate, key));
    return [x.add(dropout(branch[0], rate, key)), branch[1]];
  });
}
