import { bernoulli, OptionError, scope, where, zerosLike } from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';

/**
 * Zeroes each element with probability `rate` and scales the rest, so that the expectation stays.
 *
 *   y = x ∘ m / (1 − rate),   m ~ Bernoulli(1 − rate)
 *
 * The same key gives the same mask. Without a key, as in evaluation, x comes back as it is.
 *
 * @param x     [...]
 * @param rate  0 … 1
 * @param key   absent = no dropout
 * @returns     [...]
 * @throws OptionError  a rate outside 0 … 1
 * @see Srivastava et al. 2014, JMLR 15, section 4 (inverted, as in PyTorch)
 */
export function dropout(x: Tensor, rate: number, key: Key | undefined): Tensor {
  if (!(rate >= 0 && rate <= 1)) {
    throw new OptionError(`dropout: rate must be within 0 … 1, got ${rate}.`);
  }
  if (key === undefined || rate === 0) return x;
  if (rate === 1) return zerosLike(x);
  return scope(() => where(bernoulli(key, 1 - rate, x.shape), x.mul(1 / (1 - rate)), 0));
}
