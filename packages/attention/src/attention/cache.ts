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
  kernelsOf,
  le,
  OptionError,
  scope,
  ShapeError,
  show,
  sub,
  updateAt,
} from '@seq/tensor';
import type { CpuCall, Device, Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { attendCachedFast, attendHeads } from './cache-kernel.js';
import { attend, checkHeads } from './op.js';
import { alibiBias } from './position.js';
import { ringPositions } from './ring.js';

const gpu = /* @__PURE__ */ lazyKernels('attention', () => import('./cache-webgpu.js'));

/** Keys and values of the past in buffers of M slots; a state of the `attention` mixer. With a window, a ring of M = W. */
export interface AttentionState {
  /** [B, M, G, D] keys, turned by their positions */
  readonly k: Tensor;
  /** [B, M, G, D] values */
  readonly v: Tensor;
  /** [B] i32: the position of the next token; slots filled, unless a ring has wrapped around */
  readonly position: Tensor;
  /** [B] i32: first position that is still seen; above 0 after a reset */
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
const reserveOp: Op<{ readonly where: string; readonly T: number; readonly M: number }> =
  /* @__PURE__ */ defineOp({
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
  /** Bends scores into ±softcap, as in `attend`. */
  readonly softcap?: number;
  /** Slots are positions modulo M, and the query sees the last M positions, its own included; T must be 1. Default false. */
  readonly ring?: boolean;
  /** [H]: slope · distance is taken off the scores. */
  readonly alibiSlopes?: Tensor;
  /** [H]: scores of keys without values, as in `attend`. */
  readonly sinks?: Tensor;
}

interface CachedAttrs {
  readonly scale: number;
  /** 0: none. */
  readonly softcap: number;
  readonly ring: boolean;
  /** Slopes are the sixth input. */
  readonly alibi: boolean;
  /** Sinks are the last input. */
  readonly sinks: boolean;
}

/**
 * Attention of T new queries over a cache that already holds their own keys.
 *
 *   query i of row b sees the positions first_b ≤ j ≤ position_b + i, in a ring above position_b − M only
 *
 * The CPU kernel touches the slots that are seen only; a plan counts all M.
 *
 * @param q        [B, T, H, D]
 * @param cache    k [B, M, G, D], v [B, M, G, V], first [B] i32, position [B] i32: entries before the first query
 * @param options  scale, softcap, ring, alibiSlopes, sinks
 * @returns        [B, T, H, V]
 * @throws ShapeError, DTypeError  what does not fit together, T ≠ 1 with a ring
 * @throws OptionError             softcap ≤ 0
 */
export function attendCached(
  q: Tensor,
  { k, v, first, position }: AttentionState,
  {
    scale = 1 / Math.sqrt(q.shape[3]),
    softcap,
    ring = false,
    alibiSlopes: slopes,
    sinks,
  }: AttendCachedOptions = {},
): Tensor {
  if (softcap !== undefined && !(softcap > 0))
    throw new OptionError(
      `attendCached: softcap must be positive, got ${softcap}. Leave it out for no bound.`,
    );
  const inputs = [q, k, v, first, position, ...(slopes ? [slopes] : []), ...(sinks ? [sinks] : [])];
  const attrs = { scale, softcap: softcap ?? 0, ring, alibi: !!slopes, sinks: !!sinks };
  return apply(attendCachedOp, inputs, attrs) as Tensor;
}

/** [B, 1, T, 1] i32: positions of T queries. */
function queryPositions(position: Tensor, T: number): Tensor {
  const times = arange(0, T, 1, { dtype: 'i32', device: position.device });
  return add(position.reshape([-1, 1, 1, 1]), expandDims(times, 1));
}

/** [B, 1, T, S] bool: of keys at positions [S] or [B, 1, 1, S] those from `first` [B] to each query's own. */
export function cacheMask(first: Tensor, position: Tensor, T: number, keys: Tensor): Tensor {
  return scope(() => and(ge(keys, first.reshape([-1, 1, 1, 1])), le(keys, queryPositions(position, T))));
}

/** [B, 1, T, S] i32: how far keys at positions [S] or [B, 1, 1, S] lie behind each query. */
export function cacheDistances(position: Tensor, T: number, keys: Tensor): Tensor {
  return scope(() => sub(queryPositions(position, T), keys));
}

/** [M] i32: positions in a cache that is no ring. */
export function slotPositions(M: number, device: Device): Tensor {
  return arange(0, M, 1, { dtype: 'i32', device });
}

export const attendCachedOp: Op<CachedAttrs> = /* @__PURE__ */ defineOp<CachedAttrs>({
  name: 'attention.cached',
  infer([q, k, v, first, position, ...perHead], { ring, alibi }) {
    checkHeads('attention', q, k, v);
    const [B, T, H] = q.shape;
    if (ring && T !== 1)
      throw new ShapeError(`attention: a ring is read by one query at a time, got ${T}. Use prefill.`);
    for (const [i, x] of perHead.entries())
      if (x.shape.join() !== `${H}` || x.dtype !== q.dtype)
        throw new ShapeError(
          `attention: ${alibi && i === 0 ? 'alibiSlopes' : 'sinks'} must be ${q.dtype} [H] = [${H}], got ${x.dtype} ${show(x.shape)}. Give one per query head.`,
        );
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
  scratch: ([q, k]) => 8 * k.shape[1] * Math.ceil(q.shape[2] / 2),
  cpu: attendCachedKernel,
  webgpu: () => gpu().cachedKernels,
  reference([q, k, v, first, position, ...perHead], { scale, softcap, ring, alibi, sinks }) {
    const [T, M] = [q.shape[1], k.shape[1]];
    const keys = ring ? ringPositions(position, M).reshape([-1, 1, 1, M]) : slotPositions(M, q.device);
    return attend(q, k, v, {
      mask: cacheMask(first, position, T, keys),
      scale,
      ...(softcap > 0 && { softcap }),
      ...(alibi && { bias: alibiBias(perHead[0], cacheDistances(position, T, keys)) }),
      ...(sinks && { sinks: perHead.at(-1)! }),
    });
  },
  cost([q, k, v], _, { softcap, alibi, sinks }) {
    const [B, T, H, D] = q.shape;
    const [M, V] = [k.shape[1], v.shape[3]];
    const pairs = B * H * T * M;
    const matmulFlops = 2 * pairs * (D + V);
    const perPair = 5 + (softcap > 0 ? 3 : 0) + (alibi ? 2 : 0);
    return { matmulFlops, flops: matmulFlops + perPair * pairs + B * T * H * (sinks ? 4 : 0) };
  },
});

/** Per query: scores of the seen slots, their softmax, the weighted sum. */
function attendCachedKernel(call: CpuCall<CachedAttrs>): void {
  const { inputs, outputs, attrs, scratch: p } = call;
  const { scale, softcap, ring } = attrs;
  const [q, k, v, first, position] = inputs;
  const [o] = outputs;
  const [B, T, H, D] = q.shape;
  const [, M, G, V] = v.shape;
  const [q_, k_, v_, o_] = [q.data, k.data, v.data, o.data];
  const slopes = attrs.alibi ? inputs[5] : undefined;
  const sinks = attrs.sinks ? inputs[inputs.length - 1] : undefined;
  const kernels = q_ instanceof Float32Array ? kernelsOf(call) : null;
  for (let b = 0; b < B; b++) {
    const start = first.data[first.offset + b];
    for (let i = 0; i < T; i++) {
      const own = position.data[position.offset + b] + i;
      const to = ring ? own + 1 : Math.min(M, own + 1);
      const from = ring ? Math.max(start, own + 1 - M) : start;
      const plain = softcap === 0 && !slopes && !sinks && kernels !== null;
      if (plain && attendHeads(kernels, inputs, o, p, { b, row: b * T + i, from, to, scale })) continue;
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * G) / H);
        const qAt = q.offset + ((b * T + i) * H + h) * D;
        const oAt = o.offset + ((b * T + i) * H + h) * V;
        const slope = slopes ? slopes.data[slopes.offset + h] : 0;
        const sink = sinks ? sinks.data[sinks.offset + h] : -Infinity;
        if (kernels !== null) {
          const query = { b, h, g, row: b * T + i, from, to, own, scale, softcap, slope, sink };
          attendCachedFast(kernels, inputs, o, p, query);
          continue;
        }
        let largest = sink;
        for (let j = from; j < to; j++) {
          const kAt = k.offset + ((b * M + (ring ? j % M : j)) * G + g) * D;
          let s = 0;
          for (let d = 0; d < D; d++) s += q_[qAt + d] * k_[kAt + d];
          s *= scale;
          if (softcap > 0) s = softcap * Math.tanh(s / softcap);
          if (slopes) s -= slope * (own - j);
          p[j - from] = s;
          if (s > largest) largest = s;
        }
        let sum = sinks ? Math.exp(sink - largest) : 0;
        for (let j = from; j < to; j++) sum += p[j - from] = Math.exp(p[j - from] - largest);
        for (let d = 0; d < V; d++) o_[oAt + d] = 0;
        for (let j = from; j < to; j++) {
          const w = p[j - from] / sum;
          const vAt = v.offset + ((b * M + (ring ? j % M : j)) * G + g) * V;
          for (let d = 0; d < V; d++) o_[oAt + d] += w * v_[vAt + d];
        }
      }
    }
  }
}
