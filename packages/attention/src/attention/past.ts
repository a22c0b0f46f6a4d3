// How T new queries look at their own keys and at those of a state, and the state that follows.
import {
  add,
  and,
  arange,
  cast,
  concat,
  cumsum,
  eq,
  expandDims,
  ge,
  lt,
  max,
  updateAt,
  where,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { RunOptions } from '@seq/nn';
import { append, attendCached, cacheDistances, cacheMask, slotPositions } from './cache.js';
import type { AttentionState } from './cache.js';
import { attend } from './op.js';
import type { AttentionCore, CoreOptions } from './options.js';
import { alibiBias } from './position.js';
import { joinRing, pushRing } from './ring.js';

/** What every score is subject to. */
export interface Scoring {
  readonly scale: number;
  readonly softcap?: number;
  readonly alibiSlopes?: Tensor;
  readonly sinks?: Tensor;
  /** What computes attention; absent: this package. */
  readonly core?: AttentionCore;
}

/** Turned queries [B, T, H, D] with turned keys and values [B, T, G, D] of the same positions. */
export interface Projected {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

type Looked = [heads: Tensor, state: AttentionState];

/** T positions behind a cache that has room for them: write, then look at what is there. `position` as `reserve` gave it. */
export function lookInCache(
  { q, k, v }: Projected,
  state: AttentionState,
  position: Tensor,
  { core, ...scoring }: Scoring,
  { lengths, resets }: RunOptions,
): Looked {
  const [T, M] = [q.shape[1], state.k.shape[1]];
  const cache = append(state, k, v, position);
  const next = add(position, lengths ?? T);
  if (!resets) {
    const { first } = state;
    const heads = core
      ? core(q, cache.k, cache.v, { ...scoring, causal: true, past: { position, first } })
      : attendCached(q, { ...cache, first, position }, scoring);
    return [heads, { ...cache, position: next, first: state.first }];
  }
  const { document, first } = documents(state, position, resets, lengths);
  const ofSlot = updateAt(zerosFor(document, M), document, position, 1); // earlier calls are document 0
  const heads = composite(
    { q, ...cache },
    state.first,
    position,
    slotPositions(M, q.device),
    { core, ...scoring },
    {
      document,
      ofKey: ofSlot,
    },
  );
  return [heads, { ...cache, position: next, first }];
}

/** One position on a ring: its entry replaces the one that leaves the window. */
export function lookOnRing(
  { q, k, v }: Projected,
  state: AttentionState,
  { core, ...scoring }: Scoring,
): Looked {
  const after = { ...state, ...pushRing(state, k, v) };
  if (core) {
    const heads = core(q, after.k, after.v, { ...scoring, ...ringOf(state) });
    return [heads, { ...after, position: add(state.position, 1) }];
  }
  return [attendCached(q, after, { ...scoring, ring: true }), { ...after, position: add(state.position, 1) }];
}

/** What a core is told of a ring; its slots are the window. */
function ringOf({ position, first, k }: AttentionState): Pick<CoreOptions, 'causal' | 'windowSize' | 'past'> {
  const ring = k.shape[1];
  return { causal: true, windowSize: ring, past: { position, first, ring } };
}

/** T positions behind a ring: look at ring and new keys side by side, then write what the window still holds. */
export function lookBehindRing(
  { q, k, v }: Projected,
  state: AttentionState,
  scoring: Scoring,
  { lengths, resets }: RunOptions,
): Looked {
  const [B, T] = q.shape;
  const M = state.k.shape[1];
  const { position } = state;
  const past = joinRing(state, k, v, lengths ?? T);
  const cut = resets && documents(state, position, resets, lengths);
  const packed = cut && {
    document: cut.document,
    ofKey: concat([zerosFor(cut.document, M), cut.document], 1),
  };
  const keys = past.positions.reshape([B, 1, 1, M + T]);
  const { core, ...plain } = scoring;
  const heads =
    core && !cut
      ? core(q, past.k, past.v, { ...plain, ...ringOf(state) })
      : composite({ q, k: past.k, v: past.v }, state.first, position, keys, scoring, packed, M);
  return [heads, { ...past.ring, position: add(position, lengths ?? T), first: cut?.first ?? state.first }];
}

/** `attend` over keys at given positions: those from `first` on, of a query's own document, in its window. */
function composite(
  { q, k, v }: Projected,
  first: Tensor,
  position: Tensor,
  keys: Tensor,
  { alibiSlopes, core = attend, ...scoring }: Scoring,
  packed?: { document: Tensor; ofKey: Tensor },
  windowSize?: number,
): Tensor {
  const T = q.shape[1];
  let mask = cacheMask(first, position, T, keys);
  const distance = cacheDistances(position, T, keys);
  if (windowSize !== undefined) mask = and(mask, lt(distance, windowSize));
  if (packed) mask = and(mask, eq(rowsOf(packed.ofKey, 2), rowsOf(packed.document, 3)));
  return core(q, k, v, {
    ...scoring,
    mask,
    ...(alibiSlopes && { bias: alibiBias(alibiSlopes, distance) }),
  });
}

/** [B, N] as [B, 1, 1, N] (axis 2) or [B, 1, N, 1] (axis 3). */
function rowsOf(x: Tensor, axis: 2 | 3): Tensor {
  return expandDims(expandDims(x, 1), axis);
}

/** [B, M] f32 zeros: the document of what earlier calls wrote. */
function zerosFor(document: Tensor, M: number): Tensor {
  return zeros([document.shape[0], M], { dtype: 'f32', device: document.device });
}

/** [B, T] f32: how many documents have begun, up to each position. */
function documentOf(resets: Tensor): Tensor {
  return cumsum(cast(resets, 'f32'), 1);
}

/** [B, 1, T, T] bool: both positions lie in one document. */
export function sameDocument(resets: Tensor): Tensor {
  const document = documentOf(resets);
  return eq(rowsOf(document, 3), rowsOf(document, 2));
}

/** Documents [B, T] of the positions of a call, counted from its first reset, and the `first` that follows. */
function documents(
  { first }: AttentionState,
  position: Tensor,
  resets: Tensor,
  lengths: Tensor | undefined,
): { document: Tensor; first: Tensor } {
  const times = arange(0, resets.shape[1], 1, { dtype: 'i32', device: resets.device });
  const counted = lengths ? and(resets, lt(times, expandDims(lengths, 1))) : resets;
  const lastReset = max(where(counted, times, -1), 1); // [B]
  return {
    document: documentOf(counted),
    first: where(ge(lastReset, 0), add(position, lastReset), first),
  };
}
