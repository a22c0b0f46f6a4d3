import {
  add,
  apply,
  cast,
  mul,
  reshape,
  scope,
  ShapeError,
  show,
  sigmoid,
  softplus,
  sub,
  transpose,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { checkInputs } from './call.js';
import { flashAttentionOp } from './op.js';
import { resolve } from './options.js';
import type { FlashAttentionOptions } from './options.js';

/**
 * Exact scaled dot-product attention in memory that grows with the length, not with its square.
 *
 *   o_i = Σ_j softmax_j(s_ij) v_j   over the keys j that i may see,   s_ij = scale · q_i · k_j + bias_ij
 *
 * Scores are made tile by tile and thrown away; backward makes them again from the log-sum-exp. Tiles that `causal` and
 * `windowSize` hide are skipped. Query head h reads key-value head ⌊h · G / H⌋. The position of query i is
 * p = i + S − T, of packed sequences that within its own. With `softcap` c the product becomes
 * c · tanh(scale · q_i · k_j / c); with `alibiSlopes` m the distance costs m_h |p − j|; with `sinks` exp(sink_h) joins
 * the denominator. A query that sees no key gives 0. q, k, v may be stored as f16, and so is o then; all between is f32.
 *
 * @param q        [B, T, H, D]  D at most 256
 * @param k        [B, S, G, D]
 * @param v        [B, S, G, V]  V at most 256
 * @param options  causal, windowSize, mask, bias, alibiSlopes, sinks, scale, softcap, dropout, cuSeqlens, past
 * @returns        [B, T, H, V]
 * @throws ShapeError   shapes that do not fit together, H not a multiple of G
 * @throws DTypeError   q, k, v of unlike element types
 * @throws OptionError  scale that is not finite, softcap ≤ 0, a window of negative or broken size, a rate outside [0, 1)
 * @see Dao 2023, arXiv:2307.08691, algorithms 1 and 2; Milakov and Gimelshein 2018, arXiv:1805.02867, algorithm 3
 */
export function flashAttention(q: Tensor, k: Tensor, v: Tensor, options: FlashAttentionOptions = {}): Tensor {
  return scope(() => attendBoth('flashAttention', q, k, v, options)[0]);
}

/**
 * `flashAttention`, with the logarithm of each query's softmax denominator: what joins attention over parts of the keys.
 *
 *   lse_i = log Σ_j exp(s_ij), and exp(sink_h) in the sum where there are sinks
 *
 * @returns o [B, T, H, V] and lse [B, H, T], −∞ where a query sees no key and no sink; f32 beside f16
 * @throws ShapeError, DTypeError, OptionError  as `flashAttention`
 */
export function flashAttentionWithLse(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: FlashAttentionOptions = {},
): [o: Tensor, lse: Tensor] {
  return scope(() => attendBoth('flashAttentionWithLse', q, k, v, options));
}

function attendBoth(
  fn: string,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: FlashAttentionOptions,
): [o: Tensor, lse: Tensor] {
  const sizes = checkInputs(fn, q, k, v);
  const { attrs, extra } = resolve(fn, q, sizes, options);
  // Shaders read f16 where it lies; on the CPU it is widened first.
  const widens = q.dtype === 'f16' && q.device.kind === 'cpu';
  const heads = widens ? [q, k, v].map((x) => cast(x, 'f32')) : [q, k, v];
  const [o, lse] = apply(flashAttentionOp, [...heads, ...extra], attrs) as Tensor[];
  const { sinks } = options;
  if (!sinks) return [cast(o, q.dtype), lse];
  if (sinks.shape.join() !== `${sizes.H}`)
    throw new ShapeError(
      `${fn}: sinks must be [H] = [${sizes.H}], got ${show(sinks.shape)}. Give one per query head.`,
    );
  // What a softmax with one more key gives: o · σ(lse − sink).
  const column = reshape(sinks, [-1, 1]);
  const margin = sub(lse, column);
  const share = transpose(sigmoid(margin), [0, 2, 1]).expandDims(3);
  return [cast(mul(o, share), q.dtype), add(softplus(margin), column)];
}
