import {
  add,
  and,
  logSumExp,
  matmul,
  mul,
  OptionError,
  reshape,
  scope,
  ShapeError,
  show,
  sigmoid,
  softmax,
  softplus,
  sub,
  tanh,
  transpose,
  where,
} from '@seq/tensor';
import type { Aval, Shape, Tensor } from '@seq/tensor';
import { alibiBias, checkSlopes, distances, windowBounds, windowMask } from './position.js';
import type { WindowSize } from './position.js';

/** Options of `attend`. */
export interface AttendOptions {
  /** Query i sees keys j ≤ i + S − T: the last query is aligned with the last key. Default false. */
  readonly causal?: boolean;
  /** W: query i sees the W keys up to j = p = i + S − T. [left, right]: p − left ≤ j ≤ p + right; Infinity is no bound. */
  readonly windowSize?: WindowSize;
  /** bool, broadcastable to [B, H, T, S]; true = keep. */
  readonly mask?: Tensor;
  /** Broadcastable to [B, H, T, S]; added to the scaled scores. */
  readonly bias?: Tensor;
  /** [H] or [B, H]: slope · |p − j| is taken off the scaled scores, with p = i + S − T; see `alibiSlopes`. */
  readonly alibiSlopes?: Tensor;
  /** [H]: a score for a key without a value, which takes its share of every softmax. */
  readonly sinks?: Tensor;
  /** Factor of the scores. Default 1/√D. */
  readonly scale?: number;
  /** Bends scores into ±softcap by softcap · tanh(s / softcap), before the bias. Absent: no bound. */
  readonly softcap?: number;
}

/**
 * Scaled dot-product attention with grouped key-value heads.
 *
 *   o_i = Σ_j softmax_j(s_ij) v_j   over the keys j that i may see,   s_ij = scale · q_i · k_j + bias_ij
 *
 * Query head h reads key-value head ⌊h · G / H⌋ (G = H: multi-head, G = 1: multi-query). With `softcap` c the
 * product becomes c · tanh(scale · q_i · k_j / c); with `alibiSlopes` m the distance costs m_h |p_i − j|; with
 * `sinks` exp(sink_h) joins the denominator. `causal`, `windowSize` and `mask` must all let a key through. A query
 * that sees no key gives 0. Memory and time grow with T · S, whatever is masked.
 *
 * @param q        [B, T, H, D]
 * @param k        [B, S, G, D]
 * @param v        [B, S, G, V]
 * @param options  causal, windowSize, mask, bias, alibiSlopes, sinks, scale, softcap
 * @returns        [B, T, H, V]
 * @throws ShapeError   shapes that do not fit together, H not a multiple of G
 * @throws OptionError  scale that is not finite, softcap ≤ 0, a window of negative or broken size
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. 1; grouped heads: Ainslie et al. 2023, arXiv:2305.13245; linear
 *   biases: Press et al. 2021, arXiv:2108.12409, section 3; softcap: Gemma Team 2024, arXiv:2408.00118, section 2
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  return scope(() => {
    const s = scores('attend', q, k, v, options);
    const o = weigh(s, v);
    return options.sinks ? shareWithSinks(o, logSumExp(s, -1), options.sinks) : o;
  });
}

/**
 * `attend`, with the logarithm of each query's softmax denominator: what is needed to join attention over parts of the keys.
 *
 *   lse_i = log Σ_j exp(s_ij), and exp(sink_h) in the sum where there are sinks
 *
 * @returns o [B, T, H, V] and lse [B, H, T], −∞ where a query sees no key and no sink
 * @throws ShapeError, OptionError  as `attend`
 */
export function attendWithLse(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttendOptions = {},
): [o: Tensor, lse: Tensor] {
  return scope(() => {
    const s = scores('attendWithLse', q, k, v, options);
    const [o, lse] = [weigh(s, v), logSumExp(s, -1)];
    const { sinks } = options;
    if (!sinks) return [o, lse];
    const column = reshape(sinks, [-1, 1]);
    return [shareWithSinks(o, lse, sinks), add(softplus(sub(lse, column)), column)];
  });
}

/**
 * The scores that `attend` takes the softmax of.
 *
 *   s_ij = scale · q_i · k_j + bias_ij, bent by softcap and lowered by ALiBi; −∞ where i may not see j
 *
 * @param q        [B, T, H, D]
 * @param k        [B, S, G, D]
 * @param options  as `attend`; sinks do not change scores
 * @returns        [B, H, T, S]
 * @throws ShapeError, OptionError  as `attend`
 */
export function attentionScores(q: Tensor, k: Tensor, options: AttendOptions = {}): Tensor {
  return scope(() => scores('attentionScores', q, k, k, options));
}

/** o of a softmax without sinks, scaled to what a softmax with them gives: o · σ(lse − sink). */
function shareWithSinks(o: Tensor, lse: Tensor, sinks: Tensor): Tensor {
  const share = sigmoid(sub(lse, reshape(sinks, [-1, 1]))); // [B, H, T]
  return mul(o, transpose(share, [0, 2, 1]).expandDims(3));
}

/** [B, H, T, S] scores, −∞ where a query may not see a key. */
function scores(fn: string, q: Tensor, k: Tensor, v: Tensor, options: AttendOptions): Tensor {
  const { mask, bias, softcap, alibiSlopes: slopes, sinks } = options;
  const [B, T, H, D] = checkHeads(fn, q, k, v);
  const { scale = 1 / Math.sqrt(D) } = options;
  if (!Number.isFinite(scale))
    throw new OptionError(`${fn}: scale must be finite, got ${scale}. Leave it out for 1/√D.`);
  if (softcap !== undefined && !(softcap > 0))
    throw new OptionError(`${fn}: softcap must be positive, got ${softcap}. Leave it out for no bound.`);
  if (slopes) checkSlopes(fn, slopes, B, H);
  if (sinks && sinks.shape.join() !== `${H}`)
    throw new ShapeError(
      `${fn}: sinks must be [H] = [${H}], got ${show(sinks.shape)}. Give one per query head.`,
    );
  const [, S, G] = k.shape;
  const R = H / G;

  // Heads of a group are rows of one product with the keys they share.
  const rows = reshape(transpose(reshape(q, [B, T, G, R, D]), [0, 2, 3, 1, 4]), [B, G, R * T, D]);
  let s = mul(reshape(matmul(rows, transpose(k, [0, 2, 3, 1])), [B, H, T, S]), scale);
  if (softcap !== undefined) s = mul(tanh(mul(s, 1 / softcap)), softcap);
  if (bias) s = add(s, bias);
  if (slopes) s = add(s, alibiBias(slopes, distances(T, S, q.device)));
  const seen = visible(fn, options, T, S, q);
  const keep = seen && mask ? and(mask, seen) : (seen ?? mask);
  if (keep) s = where(keep, s, -Infinity);
  if (s.shape.join() !== [B, H, T, S].join())
    throw new ShapeError(
      `${fn}: mask and bias must be broadcastable to [B, H, T, S] = ${show([B, H, T, S])}, got ${[mask, bias].flatMap((t) => (t ? show(t.shape) : [])).join(' and ')}. Add axes of size 1.`,
    );
  return s;
}

/** [T, S] bool: what `causal` and `windowSize` leave, undefined where that is everything. */
function visible(
  fn: string,
  { causal = false, windowSize }: AttendOptions,
  T: number,
  S: number,
  { device }: Tensor,
): Tensor | undefined {
  const [left, right] = windowSize === undefined ? [Infinity, Infinity] : windowBounds(fn, windowSize);
  return windowMask(T, S, [left, causal ? 0 : right], device);
}

/** o [B, T, H, V] = softmax(s [B, H, T, S]) · v [B, S, G, V]. */
function weigh(s: Tensor, v: Tensor): Tensor {
  const [B, H, T, S] = s.shape;
  const [, , G, V] = v.shape;
  const R = H / G;
  const p = reshape(softmax(s, -1), [B, G, R * T, S]);
  const o = matmul(p, transpose(v, [0, 2, 1, 3])); // [B, G, R T, V]
  return reshape(transpose(reshape(o, [B, G, R, T, V]), [0, 3, 1, 2, 4]), [B, T, H, V]);
}

/** Checks q [B, T, H, D], k [B, S, G, D], v [B, S, G, V]; answers with the shape of q. */
export function checkHeads(fn: string, q: Aval, k: Aval, v: Aval): Shape {
  const [B, , H, D] = q.shape;
  const [, S, G] = k.shape;
  const ranks = [q, k, v].every((x) => x.shape.length === 4);
  const fits = ranks && k.shape[0] === B && v.shape[0] === B;
  if (!fits || k.shape[3] !== D || v.shape[1] !== S || v.shape[2] !== G)
    throw new ShapeError(
      `${fn}: q, k, v must be [B, T, H, D], [B, S, G, D], [B, S, G, V], got ${show(q.shape)}, ${show(k.shape)}, ${show(v.shape)}. Time stands before heads.`,
    );
  if (G < 1 || H % G !== 0)
    throw new ShapeError(
      `${fn}: H must be a multiple of G, got H = ${H} in q, G = ${G} in k. Repeat k and v, or change the number of heads.`,
    );
  return q.shape;
}
