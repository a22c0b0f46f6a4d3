import { concat, exp, mul, OptionError, reshape, scope, stopGradient, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { retain, retentionDecays } from './op.js';

/** Options of `retainRowNormalized`. */
export interface RowNormalizedOptions {
  /** L, positions of a chunk, which divides T. Default T: the parallel form. */
  readonly chunkSize?: number;
  /** H numbers ≤ 0, the log of what each head keeps at a step. Default `retentionDecays(H)`. */
  readonly logDecay?: readonly number[];
}

/**
 * Retention as torchscale reads it, for models trained with it: rows are divided by what they sum up to.
 *
 *   o_i / (√d_i max(1, Σ_j |γ^{i−j} q_i · k_j| / √d_i, Σ |S| / d_L))     d_i = Σ_{j ≤ i} γ^{i−j}
 *
 * The sums are those of a chunk, S the state that it begins with (of its columns the one with the largest sum). No gradient
 * flows through them, and every chunk length is another function; the norm of a head that follows cancels both up to its
 * eps. Time and memory are quadratic in the length of a chunk. New models: `retain`.
 *
 * @param q        [B, T, H, K]  queries
 * @param k        [B, T, H, K]  keys, scaled already
 * @param v        [B, T, H, V]
 * @param options  chunkSize, logDecay (H numbers log γ)
 * @returns        o [B, T, H, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together, a number of decays other than H
 * @throws OptionError             a chunkSize that does not divide T
 * @see Sun et al. 2023, arXiv:2307.08621, section 2.3
 */
export function retainRowNormalized(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { chunkSize = Math.max(q.shape[1], 1), logDecay = retentionDecays(v.shape[2]) }: RowNormalizedOptions = {},
): Tensor {
  const [B, T, H] = v.shape;
  const L = chunkSize;
  if (!Number.isInteger(L) || L < 1 || T % L !== 0)
    throw new OptionError(
      `retainRowNormalized: chunkSize must be a positive divisor of T = ${T}, got ${L}. Leave it out for the parallel form.`,
    );
  return scope(() => {
    if (T === 0) return retain(q, k, v, { logDecay })[0];
    const like = { dtype: v.dtype, device: v.device };
    const sums = tensor(rowSums(logDecay, L), { ...like, shape: [1, L, H, 1] });
    const faded = exp(mul(tensor(distances(L), { ...like, shape: [L, L] }), decaysOf(logDecay, like)));
    const parts: Tensor[] = [];
    let initial: Tensor | undefined;
    for (let t = 0; t < T; t += L) {
      const [a, b, c] = [q, k, v].map((x) => x.slice(1, t, t + L));
      const [o, state] = retain(a, b, c, { scale: 1, logDecay, ...(initial && { initial }) });
      const scores = stopGradient(a.swapAxes(1, 2).matmul(b.swapAxes(1, 2).transpose())); // [B, H, L, L]
      const read = scores.mul(faded).tril().abs().sum(-1).swapAxes(1, 2).expandDims(-1).div(sums.sqrt());
      const held = initial && stopGradient(initial).abs().sum(2).max(-1); // [B, H]
      const last = sums.slice(1, L - 1);
      const least = held ? reshape(held, [B, 1, H, 1]).div(last).maximum(1) : 1;
      parts.push(o.div(sums.sqrt()).div(read.maximum(least)));
      initial = state;
    }
    return concat(parts, 1);
  });
}

/** Σ_{j ≤ i} γ^{i−j} of each head, [L, H]. */
function rowSums(logDecay: readonly number[], L: number): number[] {
  const sums = logDecay.map(() => 0);
  return Array.from({ length: L }, () =>
    logDecay.map((g, h) => (sums[h] = Math.exp(g) * sums[h] + 1)),
  ).flat();
}

/** [L, L] how far key j lies behind query i; 0 above the diagonal. */
function distances(L: number): number[] {
  return Array.from({ length: L * L }, (_, i) => Math.max(Math.floor(i / L) - (i % L), 0));
}

/** [1, H, 1, 1] */
function decaysOf(logDecay: readonly number[], like: Pick<Tensor, 'dtype' | 'device'>): Tensor {
  return tensor(logDecay, { ...like, shape: [1, logDecay.length, 1, 1] });
}
