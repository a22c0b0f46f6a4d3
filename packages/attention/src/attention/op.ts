import {
  add,
  and,
  arange,
  expandDims,
  le,
  logSumExp,
  matmul,
  mul,
  OptionError,
  reshape,
  scope,
  ShapeError,
  show,
  softmax,
  tanh,
  transpose,
  where,
} from '@seq/tensor';
import type { Aval, Device, Shape, Tensor } from '@seq/tensor';

/** Options of `attend`. */
export interface AttendOptions {
  /** Query i sees keys j ≤ i + S − T: the last query is aligned with the last key. Default false. */
  readonly causal?: boolean;
  /** bool, broadcastable to [B, H, T, S]; true = keep. */
  readonly mask?: Tensor;
  /** Broadcastable to [B, H, T, S]; added to the scaled scores. */
  readonly bias?: Tensor;
  /** Factor of the scores. Default 1/√D. */
  readonly scale?: number;
  /** Bends scores into ±softcap by softcap · tanh(s / softcap), before the bias. Absent: no bound. */
  readonly softcap?: number;
}

/**
 * Scaled dot-product attention with grouped key-value heads.
 *
 *   o_i = Σ_j softmax_j(scale · q_i · k_j + bias_ij) v_j   over the keys j that i may see
 *
 * Query head h reads key-value head ⌊h · G / H⌋ (G = H: multi-head, G = 1: multi-query). A query that sees
 * no key gives 0. Memory and time grow with T · S.
 *
 * @param q        [B, T, H, D]
 * @param k        [B, S, G, D]
 * @param v        [B, S, G, V]
 * @param options  causal, mask, bias, scale, softcap
 * @returns        [B, T, H, V]
 * @throws ShapeError   shapes that do not fit together, H not a multiple of G
 * @throws OptionError  scale that is not finite, softcap ≤ 0
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. 1; grouped heads: Ainslie et al. 2023, arXiv:2305.13245
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  return scope(() => weigh(scores('attend', q, k, v, options), v));
}

/**
 * `attend`, with the logarithm of each query's softmax denominator: what is needed to join attention over parts of the keys.
 *
 *   lse_i = log Σ_j exp(scale · q_i · k_j + bias_ij)
 *
 * @returns o [B, T, H, V] and lse [B, H, T], −∞ where a query sees no key
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
    return [weigh(s, v), logSumExp(s, -1)];
  });
}

/** [T, S] bool: j ≤ i + S − T. */
export function causalMask(T: number, S: number, device: Device): Tensor {
  const o = { dtype: 'i32', device } as const;
  return scope(() => le(arange(0, S, 1, o), expandDims(arange(S - T, S, 1, o), 1)));
}

/** [B, H, T, S] scores, −∞ where a query may not see a key. */
function scores(fn: string, q: Tensor, k: Tensor, v: Tensor, options: AttendOptions): Tensor {
  const { causal = false, mask, bias, softcap } = options;
  const [B, T, H, D] = checkHeads(fn, q, k, v);
  const { scale = 1 / Math.sqrt(D) } = options;
  if (!Number.isFinite(scale))
    throw new OptionError(`${fn}: scale must be finite, got ${scale}. Leave it out for 1/√D.`);
  if (softcap !== undefined && !(softcap > 0))
    throw new OptionError(`${fn}: softcap must be positive, got ${softcap}. Leave it out for no bound.`);
  const [, S, G] = k.shape;
  const R = H / G;

  // Heads of a group are rows of one product with the keys they share.
  const rows = reshape(transpose(reshape(mul(q, scale), [B, T, G, R, D]), [0, 2, 3, 1, 4]), [B, G, R * T, D]);
  let s = reshape(matmul(rows, transpose(k, [0, 2, 3, 1])), [B, H, T, S]);
  if (softcap !== undefined) s = mul(tanh(mul(s, 1 / softcap)), softcap);
  if (bias) s = add(s, bias);
  const keep = causal ? (mask ? and(mask, causalMask(T, S, q.device)) : causalMask(T, S, q.device)) : mask;
  if (keep) s = where(keep, s, -Infinity);
  if (s.shape.join() !== [B, H, T, S].join())
    throw new ShapeError(
      `${fn}: mask and bias must be broadcastable to [B, H, T, S] = ${show([B, H, T, S])}, got ${[mask, bias].flatMap((t) => (t ? show(t.shape) : [])).join(' and ')}. Add axes of size 1.`,
    );
  return s;
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
