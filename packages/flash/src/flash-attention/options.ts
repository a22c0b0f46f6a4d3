import {
  add,
  arange,
  at,
  cast,
  gather,
  ge,
  OptionError,
  reshape,
  ShapeError,
  show,
  slice,
  stack,
  sub,
  sum,
  where,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import { boundsOf } from './call.js';
import type { FlashAttrs, Sizes } from './call.js';

/** Options of `flashAttention`. */
export interface FlashAttentionOptions {
  /** A query at position p sees the keys j ≤ p; the last query stands at the last key unless said otherwise. Default false. */
  readonly causal?: boolean;
  /** W: the W keys up to p. [left, right]: p − left ≤ j ≤ p + right; Infinity is no bound. */
  readonly windowSize?: number | readonly [left: number, right: number];
  /** bool, broadcastable to [B, H, T, S]; true = keep. Padding of keys is a mask [B, 1, 1, S]. */
  readonly mask?: Tensor;
  /** Broadcastable to [B, H, T, S]; added to the scaled scores. Has a gradient. */
  readonly bias?: Tensor;
  /** [H] or [B, H]: slope · |p − j| is taken off the scaled scores. A constant: it gets no gradient. */
  readonly alibiSlopes?: Tensor;
  /** [H]: a score for a key without a value, which takes its share of every softmax. Has a gradient. */
  readonly sinks?: Tensor;
  /** Factor of the scores. Default 1/√D. */
  readonly scale?: number;
  /** Bends scores into ±softcap by softcap · tanh(s / softcap), before the bias. Absent: no bound. */
  readonly softcap?: number;
  /** Drops weights with probability `rate` and scales the others by 1 / (1 − rate); the same key drops the same. */
  readonly dropout?: { readonly rate: number; readonly key: Key };
  /** Sequences packed one behind the other in a batch of one: [N + 1] i32 prefix sums of their lengths. */
  readonly cuSeqlens?: Tensor | { readonly queries: Tensor; readonly keys: Tensor };
  /** Queries behind a past that keys and values hold: see `FlashPast`. */
  readonly past?: FlashPast;
}

/** Where queries stand in a cache of keys and values. */
export interface FlashPast {
  /** [B] i32: position of the first query of each row. */
  readonly position: Tensor;
  /** [B] i32: first position that is seen. */
  readonly first: Tensor;
  /**
   * M: the first M keys are a ring, slot j holding the newest position that equals j modulo M. With S = M and one query
   * the ring holds the query's own key; with S > M it ends before the first query, whose keys follow it.
   */
  readonly ring?: number;
}

/** Attributes of the op and the inputs behind q, k, v. */
export interface Resolved {
  readonly attrs: FlashAttrs;
  readonly extra: readonly Tensor[];
}

/** @throws OptionError, ShapeError  options that do not fit */
export function resolve(fn: string, q: Tensor, sizes: Sizes, options: FlashAttentionOptions): Resolved {
  const { causal = false, windowSize, softcap, alibiSlopes, dropout, cuSeqlens, past } = options;
  const { scale = 1 / Math.sqrt(sizes.D) } = options;
  if (!Number.isFinite(scale))
    throw new OptionError(`${fn}: scale must be finite, got ${scale}. Leave it out for 1/√D.`);
  if (softcap !== undefined && !(softcap > 0 && softcap < Infinity))
    throw new OptionError(
      `${fn}: softcap must be positive and finite, got ${softcap}. Leave it out for no bound.`,
    );
  const rate = dropout?.rate ?? 0;
  if (!(rate >= 0 && rate < 1)) throw new OptionError(`${fn}: dropout.rate must be in [0, 1), got ${rate}.`);
  if (past && cuSeqlens)
    throw new OptionError(
      `${fn}: past and cuSeqlens exclude each other, got both. Sequences in a cache are rows.`,
    );
  const [left, right] = windowSize === undefined ? [Infinity, Infinity] : boundsOf(fn, windowSize);
  const bias = biasOf(fn, q, sizes, options);
  const slopes = alibiSlopes && slopesOf(fn, alibiSlopes, sizes);
  const places = cuSeqlens && packedPlaces(fn, cuSeqlens, sizes);
  const behind = past && checkPast(fn, past, sizes);
  return {
    attrs: {
      scale,
      softcap: softcap ?? 0,
      left,
      right: causal ? 0 : right,
      dropout: rate,
      bias: bias !== undefined,
      slopes: slopes !== undefined,
      places: past ? 'rows' : places ? 'queries' : 'end',
      ring: past?.ring ?? 0,
    },
    extra: [bias, slopes, ...(behind ?? []), places, rate > 0 ? dropout!.key : undefined].filter(
      (x) => x !== undefined,
    ),
  };
}

/** Bias and mask in one tensor of four axes; what the mask hides is −1e30. */
function biasOf(fn: string, q: Tensor, sizes: Sizes, o: FlashAttentionOptions): Tensor | undefined {
  const { B, T, S, H } = sizes;
  const four = (what: string, x: Tensor): Tensor => {
    const shape = [1, 1, 1, 1, ...x.shape].slice(-4);
    if (x.ndim > 4 || shape.some((d, i) => d !== 1 && d !== [B, H, T, S][i]))
      throw new ShapeError(
        `${fn}: ${what} must be broadcastable to [B, H, T, S] = ${show([B, H, T, S])}, got ${show(x.shape)}. Add axes of size 1.`,
      );
    return reshape(x, shape);
  };
  const dtype = q.dtype === 'f16' ? 'f32' : q.dtype;
  const bias = o.bias && cast(four('bias', o.bias), dtype);
  if (!o.mask) return bias;
  const mask = four('mask', o.mask);
  return where(mask, bias ?? mask.scalar(0).cast(dtype), -1e30);
}

function slopesOf(fn: string, slopes: Tensor, { B, H }: Sizes): Tensor {
  const shape = slopes.shape.join();
  if (shape !== `${H}` && shape !== `${B},${H}`)
    throw new ShapeError(
      `${fn}: alibiSlopes must be [H] = [${H}] or [B, H] = [${B}, ${H}], got ${show(slopes.shape)}. One per query head.`,
    );
  return reshape(slopes, [-1, H]);
}

function checkPast(fn: string, { position, first, ring }: FlashPast, { B, T, S }: Sizes): Tensor[] {
  for (const [name, x] of Object.entries({ position, first }))
    if (x.dtype !== 'i32' || x.shape.join() !== `${B}`)
      throw new ShapeError(
        `${fn}: past.${name} must be i32 [B] = [${B}], got ${x.dtype} ${show(x.shape)}. One per row of the batch.`,
      );
  if (ring !== undefined && !(Number.isInteger(ring) && ring >= 1 && ring <= S && (S > ring || T === 1)))
    throw new OptionError(
      `${fn}: past.ring must be the slots of a ring, at most S = ${S} and less for T = ${T} queries, got ${ring}. Several queries need their own keys behind the ring.`,
    );
  return [position, first];
}

/** [1, T, 3] i32 position, first and end of the keys of each query's own sequence, found on the device. */
function packedPlaces(
  fn: string,
  cuSeqlens: NonNullable<FlashAttentionOptions['cuSeqlens']>,
  { B, T }: Sizes,
): Tensor {
  const [queries, keys] =
    'queries' in cuSeqlens ? [cuSeqlens.queries, cuSeqlens.keys] : [cuSeqlens, cuSeqlens];
  const fits = [queries, keys].every((x) => x.dtype === 'i32' && x.ndim === 1 && x.shape[0] >= 2);
  if (B !== 1 || !fits || queries.shape[0] !== keys.shape[0])
    throw new ShapeError(
      `${fn}: cuSeqlens must be i32 [N + 1] for queries and keys of a batch of one, got ${show(queries.shape)} and ${show(keys.shape)} for B = ${B}. They hold 0, the length of the first sequence, that of the first two, …`,
    );
  const rows = reshape(arange(0, T, 1, { dtype: 'i32', device: queries.device }), [T, 1]);
  const sequence = sum(cast(ge(rows, slice(queries, 0, 1, -1)), 'i32'), 1); // [T]
  const after = add(sequence, 1);
  const [begin, end] = [gather(keys, sequence, 0), gather(keys, after, 0)];
  const position = add(sub(at(rows, 0, 1), gather(queries, after, 0)), end);
  return reshape(stack([position, begin, end], 1), [1, T, 3]);
}
