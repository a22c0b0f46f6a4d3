import {
  add,
  arange,
  argsort,
  concat,
  gather,
  mul,
  randomInt,
  reshape,
  scope,
  slice,
  split,
  stack,
  uniform,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';

/** Keys are the tokens below this, values as many behind them. */
export const numKeys = 64;
const numValues = 64;
export const vocabSize: number = numKeys + numValues;

/** Accuracy of guessing among the values. */
export const chance: number = 1 / numValues;

/**
 * Associative recall with many queries: N pairs of a key and a value, then all keys in another order; behind each the
 * answer is the value that came with it.
 *
 *   k₁ v₁ k₂ v₂ … k_N v_N  k_π(1) k_π(2) … k_π(N)
 *
 * The keys of a sequence are different, the values are drawn anew in each, so that only the sequence itself can tell.
 *
 * @param N  pairs, at most `numKeys`
 * @returns  tokens [B, 3N] i32, answers [B, N] i32 of the last N positions
 * @see Arora et al. 2023, arXiv:2312.04927, section 4.1 (there with queries at random distances)
 */
export function recallTask(k: Key, B: number, N: number): { tokens: Tensor; answers: Tensor } {
  return scope(() => {
    const [forKeys, forValues, forOrder] = split(k, 3);
    const keys = slice(argsort(uniform(forKeys, [B, numKeys])), 1, 0, N);
    const values = randomInt(forValues, [B, N], { low: numKeys, high: vocabSize });
    const order = argsort(uniform(forOrder, [B, N]));
    const rows = mul(reshape(arange(0, B, 1, { dtype: 'i32' }), [B, 1]), N);
    const asked = (x: Tensor): Tensor => gather(reshape(x, [B * N]), add(order, rows));
    const pairs = reshape(stack([keys, values], 2), [B, 2 * N]);
    return { tokens: concat([pairs, asked(keys)], 1), answers: asked(values) };
  });
}
