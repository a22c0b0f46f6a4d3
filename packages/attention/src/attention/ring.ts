import {
  add,
  arange,
  broadcastTo,
  concat,
  expandDims,
  ge,
  mod,
  scope,
  sub,
  takeAlong,
  updateAt,
  where,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { AttentionState } from './cache.js';

/**
 * Position whose entry each slot of a ring holds: the newest that is at most `last` and equals the slot modulo M.
 *
 * @param last  [B] i32
 * @returns     [B, M] i32, negative where nothing was written yet
 */
export function ringPositions(last: Tensor, M: number): Tensor {
  return scope(() => {
    const newest = expandDims(last, 1);
    return sub(newest, mod(sub(newest, arange(0, M, 1, { dtype: 'i32', device: last.device })), M));
  });
}

/** The ring with one more key and value; the entry of position − M gives way. k and v [B, 1, G, D]. */
export function pushRing(state: AttentionState, k: Tensor, v: Tensor): Pick<AttentionState, 'k' | 'v'> {
  const slot = mod(state.position, state.k.shape[1]);
  return { k: updateAt(state.k, k, slot, 1), v: updateAt(state.v, v, slot, 1) };
}

/** Keys and values that T queries look at when a ring stands before them. */
export interface RingPast {
  /** [B, M + T, G, D] the ring, slot by slot, and then the new keys */
  readonly k: Tensor;
  /** [B, M + T, G, D] */
  readonly v: Tensor;
  /** [B, M + T] i32 */
  readonly positions: Tensor;
  /** The ring once the first `counted` new entries are written to it. */
  readonly ring: Pick<AttentionState, 'k' | 'v'>;
}

/**
 * Joins a ring with T new keys and values [B, T, G, D]. Any T: queries still see what new entries push out.
 *
 * @param counted  [B] i32 or a number: how many of the new entries stay, padding does not
 */
export function joinRing(state: AttentionState, k: Tensor, v: Tensor, counted: Tensor | number): RingPast {
  const [B, M, G, D] = state.k.shape;
  const T = k.shape[1];
  const o = { dtype: 'i32', device: k.device } as const;
  const { position } = state;
  const start = expandDims(position, 1); // [B, 1]
  const positions = concat([ringPositions(sub(position, 1), M), add(start, arange(0, T, 1, o))], 1);
  const both = { k: concat([state.k, k], 1), v: concat([state.v, v], 1) };

  const after = ringPositions(sub(add(position, counted), 1), M); // [B, M]
  const source = where(ge(after, start), add(sub(after, start), M), arange(0, M, 1, o));
  const index = broadcastTo(source.reshape([B, M, 1, 1]), [B, M, G, D]);
  return { ...both, positions, ring: { k: takeAlong(both.k, index, 1), v: takeAlong(both.v, index, 1) } };
}
