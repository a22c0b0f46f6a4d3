// What the ops of flash attention are told: attributes, and inputs in one order.
import { DTypeError, OptionError, ShapeError, show } from '@seq/tensor';
import type { Aval, Shape } from '@seq/tensor';

/**
 * Where queries stand among the keys.
 *
 * `end`: the last query stands at the last key. `rows`: each batch row has a position of its first query, and a first
 * key that counts. `queries`: each query has a position and the range of keys that it may see.
 */
export type Places = 'end' | 'rows' | 'queries';

/** Attributes of the forward op. Flags say which optional inputs follow q, k, v. */
export interface FlashAttrs {
  readonly scale: number;
  /** 0: none. */
  readonly softcap: number;
  /** A query at p sees the keys at p − left … p + right; Infinity is no bound. */
  readonly left: number;
  readonly right: number;
  /** Rate at which weights are dropped; 0: none, and no key among the inputs. */
  readonly dropout: number;
  readonly bias: boolean;
  readonly slopes: boolean;
  readonly places: Places;
  /**
   * M: the first M keys are a ring, slot j holding the newest position that equals j modulo M, and keys behind them
   * follow it. 0: key j has position j. Needs places `rows`.
   */
  readonly ring: number;
}

/** Attributes of the backward op. */
export interface FlashGradAttrs extends FlashAttrs {
  /** The gradient by lse follows that by o. */
  readonly byLse: boolean;
  /** Gives the gradient of the bias as well. */
  readonly ofBias: boolean;
}

/** Inputs of the forward op by what they are; of tensors, views or shapes. */
export interface FlashInputs<X> {
  /** [B, T, H, D] */
  readonly q: X;
  /** [B, S, G, D] */
  readonly k: X;
  /** [B, S, G, V] */
  readonly v: X;
  /** Each axis that of [B, H, T, S] or 1; what lies below −1e29 hides a key. */
  readonly bias: X | undefined;
  /** [B or 1, H] */
  readonly slopes: X | undefined;
  /** [B] i32, places `rows` */
  readonly position: X | undefined;
  /** [B] i32, places `rows` */
  readonly first: X | undefined;
  /** [B, T, 3] i32 position, first key, key after the last; places `queries` */
  readonly places: X | undefined;
  /** [2] u32, with dropout */
  readonly key: X | undefined;
}

/** A score at or below it belongs to a key that is not seen: `mask` becomes a bias of −1e30. */
export const HIDDEN = -1e29;

/** The inputs of a forward op by name. */
export function named<X>(inputs: readonly X[], attrs: FlashAttrs): FlashInputs<X> {
  let at = 3;
  const next = (there: boolean): X | undefined => (there ? inputs[at++] : undefined);
  const [q, k, v] = inputs;
  return {
    q,
    k,
    v,
    bias: next(attrs.bias),
    slopes: next(attrs.slopes),
    position: next(attrs.places === 'rows'),
    first: next(attrs.places === 'rows'),
    places: next(attrs.places === 'queries'),
    key: next(attrs.dropout > 0),
  };
}

/** Inputs of the backward op: gradients by o and perhaps lse, then o, lse, then those of the forward op. */
export interface FlashGradInputs<X> {
  readonly dO: X;
  readonly dLse: X | undefined;
  readonly o: X;
  readonly lse: X;
  readonly forward: readonly X[];
}

/** The inputs of a backward op by name. */
export function namedGrad<X>(inputs: readonly X[], { byLse }: FlashGradAttrs): FlashGradInputs<X> {
  const [dO, ...rest] = inputs;
  const [dLse, tail] = byLse ? [rest[0], rest.slice(1)] : [undefined, rest];
  const [o, lse, ...forward] = tail;
  return { dO, dLse, o, lse, forward };
}

/** Sizes of a call. */
export interface Sizes {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly V: number;
}

export function sizesOf({ q, v }: { q: { shape: Shape }; v: { shape: Shape } }): Sizes {
  const [B, T, H, D] = q.shape;
  const [, S, G, V] = v.shape;
  return { B, T, S, H, G, D, V };
}

/** Checks the tensors that a user gives. @throws ShapeError, DTypeError */
export function checkInputs(fn: string, q: Aval, k: Aval, v: Aval): Sizes {
  const ranks = [q, k, v].every((x) => x.shape.length === 4);
  const [B, , H, D] = q.shape;
  const [, S, G] = k.shape;
  if (
    !ranks ||
    k.shape[0] !== B ||
    v.shape[0] !== B ||
    k.shape[3] !== D ||
    v.shape[1] !== S ||
    v.shape[2] !== G
  )
    throw new ShapeError(
      `${fn}: q, k, v must be [B, T, H, D], [B, S, G, D], [B, S, G, V], got ${show(q.shape)}, ${show(k.shape)}, ${show(v.shape)}. Time stands before heads.`,
    );
  if (G < 1 || H % G !== 0)
    throw new ShapeError(
      `${fn}: H must be a multiple of G, got H = ${H} in q, G = ${G} in k. Repeat k and v, or change the number of heads.`,
    );
  if (D > 256 || v.shape[3] > 256)
    throw new ShapeError(
      `${fn}: heads must be at most 256 wide, got D = ${D} and V = ${v.shape[3]}. Use more heads.`,
    );
  const known = q.dtype === 'f32' || q.dtype === 'f64' || q.dtype === 'f16';
  if (!known || k.dtype !== q.dtype || v.dtype !== q.dtype)
    throw new DTypeError(
      `${fn}: q, k, v must be all f32, all f64 or all f16, got ${q.dtype}, ${k.dtype}, ${v.dtype}. Use cast().`,
    );
  return sizesOf({ q, v });
}

/** Pairs of query and key that a head looks at, as far as shapes tell: all, less what bounds hide. */
export function pairsOf({ T, S }: Pick<Sizes, 'T' | 'S'>, { left, right, places }: FlashAttrs): number {
  if (places !== 'end') return T * S;
  let pairs = 0;
  for (let i = 0; i < T; i++) {
    const p = i + S - T;
    pairs += Math.max(0, Math.min(S, p + right + 1) - Math.max(0, p - left));
  }
  return pairs;
}

/** [left, right] of a window. @throws OptionError  sizes that are not whole numbers */
export function boundsOf(
  fn: string,
  window: number | readonly [left: number, right: number],
): readonly [left: number, right: number] {
  const [left, right] = typeof window === 'number' ? [window - 1, 0] : window;
  for (const n of [left, right])
    if (n !== Infinity && (!Number.isInteger(n) || n < 0))
      throw new OptionError(
        `${fn}: windowSize must be a positive integer W, or [left, right] of whole numbers or Infinity, got ${show(typeof window === 'number' ? [window] : [...window])}. W keeps W keys in all, [left, right] those beside the query's own.`,
      );
  return [left, right];
}
