import type { Aval, OpCost } from '@seq/tensor';

/** Which terms the recurrence has, and how long its chunks are. */
export interface ScanAttrs {
  /** Positions between two states that the gradient starts from. */
  readonly chunk: number;
  /** What one log-decay is for: nothing, a head, a key channel of a head. */
  readonly decay: 'none' | 'head' | 'key';
  /** What is read before writing: nothing; Sᵀa, written with k beside v; Sᵀa, written with b. */
  readonly erase: 'none' | 'own' | 'pair';
}

/** The inputs of the op in their order: those that are always there, then g, a, b as `attrs` say. */
export interface ScanOperands<X> {
  /** [B, T, G, K] */
  readonly q: X;
  /** [B, T, G, K] */
  readonly k: X;
  /** [B, T, H, V] */
  readonly v: X;
  /** [B, H, K, V] */
  readonly initial: X;
  /** [B, T, H] or [B, T, H, K] */
  readonly g?: X;
  /** [B, T, H, K] */
  readonly a?: X;
  /** [B, T, H, K] */
  readonly b?: X;
}

/** Names a list of inputs. */
export function operandsOf<X>(inputs: readonly X[], { decay, erase }: ScanAttrs): ScanOperands<X> {
  const [q, k, v, initial, ...rest] = inputs;
  const g = decay === 'none' ? undefined : rest.shift();
  const a = erase === 'none' ? undefined : rest.shift();
  const b = erase === 'pair' ? rest.shift() : undefined;
  return { q, k, v, initial, ...(g && { g }), ...(a && { a }), ...(b && { b }) };
}

/** The list again. */
export function listOf<X>({ q, k, v, initial, g, a, b }: ScanOperands<X>): X[] {
  return [q, k, v, initial, ...(g ? [g] : []), ...(a ? [a] : []), ...(b ? [b] : [])];
}

/** Names of the inputs in their order. */
export function operandNames({ decay, erase }: Pick<ScanAttrs, 'decay' | 'erase'>): string[] {
  return [
    ...['q', 'k', 'v', 'initial'],
    ...(decay === 'none' ? [] : ['g']),
    ...(erase === 'none' ? [] : ['a']),
    ...(erase === 'pair' ? ['b'] : []),
  ];
}

/** Sizes of a call; N chunks. */
export interface ScanSizes {
  readonly B: number;
  readonly T: number;
  readonly G: number;
  readonly H: number;
  readonly K: number;
  readonly V: number;
  readonly N: number;
}

type Shaped = { readonly shape: readonly number[] };

export function sizesOf(q: Shaped, v: Shaped, { chunk }: ScanAttrs): ScanSizes {
  const [B, T, G, K] = q.shape;
  const [, , H, V] = v.shape;
  return { B, T, G, H, K, V, N: Math.ceil(T / chunk) };
}

/**
 * Outputs o [B, T, H, V]; the state after the last position [B, H, K, V]; those that chunks begin with
 * [B, N, H, K, V]; and, where something is erased, what was written in its stead [B, T, H, V].
 */
export function scanOutputs(inputs: readonly Aval[], attrs: ScanAttrs): Aval[] {
  const { q, v } = operandsOf(inputs, attrs);
  const { B, T, H, K, V, N } = sizesOf(q, v, attrs);
  const shapes = [v.shape, [B, H, K, V], [B, N, H, K, V]];
  if (attrs.erase !== 'none') shapes.push([B, T, H, V]);
  return shapes.map((shape) => ({ shape, dtype: v.dtype }));
}

/** Work of a scan: 2 FLOPs per entry of the state for each of writing, reading and erasing count as matrix products. */
export function scanCost(
  { B, T, H, K, V }: Omit<ScanSizes, 'G' | 'N'>,
  { decay, erase }: Pick<ScanAttrs, 'decay' | 'erase'>,
): { readonly flops: number; readonly matmulFlops: number } {
  const entries = B * T * H * K * V;
  const matmulFlops = { none: 4, own: 6, pair: 8 }[erase] * entries;
  const decays = { none: 0, head: B * T * H, key: B * T * H * K }[decay];
  const values = erase === 'own' ? B * T * H * V : 0;
  return { matmulFlops, flops: matmulFlops + (decay === 'none' ? 0 : entries) + decays + values };
}

/** Work of its gradient: the states again, and the same recurrence backwards. */
export function scanBackwardCost(sizes: Omit<ScanSizes, 'G' | 'N'>, attrs: ScanAttrs): OpCost {
  const { flops, matmulFlops } = scanCost(sizes, attrs);
  return { flops: 3 * flops, matmulFlops: 3 * matmulFlops };
}
