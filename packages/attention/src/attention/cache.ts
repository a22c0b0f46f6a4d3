import {
  add,
  and,
  arange,
  defineOp,
  apply,
  DTypeError,
  expandDims,
  ge,
  IndexError,
  le,
  scope,
  ShapeError,
  show,
  updateAt,
} from '@seq/tensor';
import type { CpuCall, Op, Tensor } from '@seq/tensor';
import { attend, checkHeads } from './op.js';

/** Keys and values of the past in buffers of M slots; a state of the `attention` mixer. */
export interface AttentionState {
  /** [B, M, G, D] keys, turned by their positions */
  readonly k: Tensor;
  /** [B, M, G, D] values */
  readonly v: Tensor;
  /** [B] i32: slots filled, which is the position of the next token */
  readonly position: Tensor;
  /** [B] i32: first slot that is still seen; above 0 after a reset */
  readonly first: Tensor;
}

/**
 * Writes T keys and values behind those that are there.
 *
 * @param state     see `AttentionState`; written in place when nobody else reads it
 * @param k         [B, T, G, D]
 * @param v         [B, T, G, D]
 * @param position  [B] i32, as `reserve` gave it
 * @returns         the buffers with the new entries
 * @throws IndexError  T > M, at once
 */
export function append(
  state: AttentionState,
  k: Tensor,
  v: Tensor,
  position: Tensor,
): Pick<AttentionState, 'k' | 'v'> {
  return { k: updateAt(state.k, k, position, 1), v: updateAt(state.v, v, position, 1) };
}

/**
 * The position, once it is certain that T more entries fit behind it.
 *
 * @param state  see `AttentionState`
 * @returns      [B] i32, `state.position`
 * @throws IndexError  T > M at once; position + T > M in any row when the result is read, before anything is written
 */
export function reserve(where: string, state: AttentionState, T: number): Tensor {
  const M = state.k.shape[1];
  if (T > M) throw new IndexError(full(where, M, 0, T));
  return apply(reserveOp, [state.position], { where, T, M }) as Tensor;
}

function full(where: string, M: number, position: number, T: number): string {
  return `${where}: the cache has room for maxLength = ${M} positions, got ${T} more after ${position}. Make the state with initState(batch, { maxLength: ${position + T} }) or more.`;
}

/** The identity on positions that still leave room for T entries in M slots. */
const reserveOp: Op<{ readonly where: string; readonly T: number; readonly M: number }> = defineOp({
  name: 'attention.reserve',
  infer: ([position]) => ({ shape: position.shape, dtype: position.dtype }),
  cpu({ inputs: [position], outputs: [o], attrs: { where, T, M } }) {
    for (let b = 0; b < position.shape[0]; b++) {
      const at = position.data[position.offset + b];
      if (at + T > M) throw new IndexError(full(where, M, at, T));
      o.data[o.offset + b] = at;
    }
  },
  reference: ([position]) => position.alias(), // updateAt has a check of its own
  cost: () => ({ flops: 0 }),
});

/** Options of `attendCached`. */
export interface AttendCachedOptions {
  /** Factor of the scores. Default 1/√D. */
  readonly scale?: number;
}

interface CachedAttrs {
  readonly scale: number;
}

/**
 * Attention of T new queries over a cache that already holds their own keys.
 *
 *   query i of row b sees the slots first_b ≤ j ≤ position_b + i
 *
 * The CPU kernel touches the slots that are seen only; a plan counts all M.
 *
 * @param q        [B, T, H, D]
 * @param cache    k [B, M, G, D], v [B, M, G, V], first [B] i32, position [B] i32: entries before the first query
 * @param options  scale
 * @returns        [B, T, H, V]
 * @throws ShapeError, DTypeError  what does not fit together
 */
export function attendCached(
  q: Tensor,
  { k, v, first, position }: AttentionState,
  { scale = 1 / Math.sqrt(q.shape[3]) }: AttendCachedOptions = {},
): Tensor {
  return apply(attendCachedOp, [q, k, v, first, position], { scale }) as Tensor;
}

/** [B, 1, T, M] bool: the slots that each query sees. */
export function cacheMask(first: Tensor, position: Tensor, T: number, M: number): Tensor {
  return scope(() => {
    const o = { dtype: 'i32', device: first.device } as const;
    const slots = arange(0, M, 1, o);
    const rows = (x: Tensor): Tensor => x.reshape([x.shape[0], 1, 1, 1]);
    const last = add(rows(position), expandDims(arange(0, T, 1, o), 1)); // [B, 1, T, 1]
    return and(ge(slots, rows(first)), le(slots, last));
  });
}

export const attendCachedOp: Op<CachedAttrs> = defineOp<CachedAttrs>({
  name: 'attention.cached',
  infer([q, k, v, first, position]) {
    checkHeads('attention', q, k, v);
    const [B, T, H] = q.shape;
    if (q.dtype !== k.dtype || q.dtype !== v.dtype || (q.dtype !== 'f32' && q.dtype !== 'f64'))
      throw new DTypeError(
        `attention: queries and cache must be all f32 or all f64, got ${q.dtype}, ${k.dtype}, ${v.dtype}. Make the state with initState(batch, { dtype: '${q.dtype}' }).`,
      );
    if (
      first.dtype !== 'i32' ||
      position.dtype !== 'i32' ||
      first.shape.join() !== `${B}` ||
      position.shape.join() !== `${B}`
    )
      throw new ShapeError(
        `attention: first and position must be i32 [B] = [${B}], got ${first.dtype} ${show(first.shape)} and ${position.dtype} ${show(position.shape)}. Use a state of this mixer.`,
      );
    return { shape: [B, T, H, v.shape[3]], dtype: q.dtype };
  },
  scratch: ([, k]) => 8 * k.shape[1],
  cpu: attendCachedKernel,
  reference([q, k, v, first, position], { scale }) {
    return attend(q, k, v, { mask: cacheMask(first, position, q.shape[1], k.shape[1]), scale });
  },
  cost([q, k, v]) {
    const [B, T, H, D] = q.shape;
    const pairs = B * H * T * k.shape[1];
    const matmulFlops = 2 * pairs * (D + v.shape[3]);
    return { matmulFlops, flops: matmulFlops + 4 * pairs + B * T * H * D };
  },
});

/** Per query: scores of the seen slots, their softmax, the weighted sum. */
function attendCachedKernel({ inputs, outputs, attrs: { scale }, scratch: p }: CpuCall<CachedAttrs>): void {
  const [q, k, v, first, position] = inputs;
  const [o] = outputs;
  const [B, T, H, D] = q.shape;
  const [, M, G, V] = v.shape;
  const [q_, k_, v_, o_] = [q.data, k.data, v.data, o.data];
  for (let b = 0; b < B; b++) {
    const from = first.data[first.offset + b];
    for (let i = 0; i < T; i++) {
      const to = Math.min(M, position.data[position.offset + b] + i + 1);
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * G) / H);
        const qAt = q.offset + ((b * T + i) * H + h) * D;
        const oAt = o.offset + ((b * T + i) * H + h) * V;
        let largest = -Infinity;
        for (let j = from; j < to; j++) {
          const kAt = k.offset + ((b * M + j) * G + g) * D;
          let s = 0;
          for (let d = 0; d < D; d++) s += q_[qAt + d] * k_[kAt + d];
          s *= scale;
          p[j] = s;
          if (s > largest) largest = s;
        }
        let sum = 0;
        for (let j = from; j < to; j++) sum += p[j] = Math.exp(p[j] - largest);
        for (let d = 0; d < V; d++) o_[oAt + d] = 0;
        for (let j = from; j < to; j++) {
          const w = p[j] / sum;
          const vAt = v.offset + ((b * M + j) * G + g) * V;
          for (let d = 0; d < V; d++) o_[oAt + d] += w * v_[vAt + d];
        }
      }
    }
  }
}
