// The gradient of the scan: chunk by chunk from the last, the states of a chunk computed again from the one it begins
// with. Rows of a state do not depend on each other once it is known what erasing wrote.
import { madd, packB } from '../../tensor/wasm/memory';
import { copyPadded, copyRow, factors, gatherRows, ones, padded, total } from './floats';

/** λ ← w + q doᵀ, du ← λᵀ key, w ← diag(keep) λ + a duᵀ: one position for all rows of w [K, width]. */
export function eraseBackward(
  w: usize, keep: usize, q: usize, key: usize, a: usize, dO: usize, du: usize, K: i32, width: i32,
): void {
  const stride = <usize>width << 2;
  const end = <usize>K << 2;
  for (let e: usize = 0; e < stride; e += 16) {
    const x = v128.load(dO + e);
    let sum = f32x4.splat(0);
    let at = w + e;
    for (let i: usize = 0; i < end; i += 4, at += stride) {
      const lambda = madd(v128.load32_splat(q + i), x, v128.load(at));
      v128.store(at, lambda);
      sum = madd(v128.load32_splat(key + i), lambda, sum);
    }
    v128.store(du + e, sum);
    at = w + e;
    for (let i: usize = 0; i < end; i += 4, at += stride) {
      const kept = f32x4.mul(v128.load32_splat(keep + i), v128.load(at));
      v128.store(at, madd(v128.load32_splat(a + i), sum, kept));
    }
  }
}

/**
 * One row of the state, one position on: next ← kept s + key x + factor u (without u: no such term).
 *
 * Writes Σ next ∘ dO to `dq`, and with `du` Σ s ∘ du to `da`.
 */
export function rowForward(
  next: usize, s: usize, kept: f32, key: f32, x: usize, factor: f32, u: usize,
  dO: usize, dq: usize, du: usize, da: usize, width: i32,
): void {
  const keeps = f32x4.splat(kept);
  const keys = f32x4.splat(key);
  const factors = f32x4.splat(factor);
  let query = f32x4.splat(0);
  let read = query;
  for (let e: usize = 0, end = <usize>width << 2; e < end; e += 16) {
    const before = v128.load(s + e);
    let now = madd(keys, v128.load(x + e), f32x4.mul(keeps, before));
    if (u !== 0) now = madd(factors, v128.load(u + e), now);
    v128.store(next + e, now);
    query = madd(now, v128.load(dO + e), query);
    if (du !== 0) read = madd(before, v128.load(du + e), read);
  }
  f32.store(dq, total(query));
  if (du !== 0) f32.store(da, total(read));
}

/**
 * One row, one position back: λ ← w + query dO, dv += key λ, w ← kept λ + factor du (without du: no such term).
 *
 * Writes Σ λ ∘ x to `dk`, with u Σ λ ∘ u to `db`, and answers Σ λ ∘ s.
 */
export function rowBackward(
  w: usize, kept: f32, key: f32, query: f32, factor: f32, s: usize, x: usize, u: usize,
  dO: usize, dv: usize, du: usize, dk: usize, db: usize, width: i32,
): f32 {
  const keeps = f32x4.splat(kept);
  const keys = f32x4.splat(key);
  const queries = f32x4.splat(query);
  const factors = f32x4.splat(factor);
  let toKey = f32x4.splat(0);
  let toWrite = toKey;
  let toDecay = toKey;
  for (let e: usize = 0, end = <usize>width << 2; e < end; e += 16) {
    const lambda = madd(queries, v128.load(dO + e), v128.load(w + e));
    toKey = madd(lambda, v128.load(x + e), toKey);
    toDecay = madd(lambda, v128.load(s + e), toDecay);
    v128.store(dv + e, madd(keys, lambda, v128.load(dv + e)));
    if (u !== 0) toWrite = madd(lambda, v128.load(u + e), toWrite);
    let before = f32x4.mul(keeps, lambda);
    if (du !== 0) before = madd(factors, v128.load(du + e), before);
    v128.store(w + e, before);
  }
  f32.store(dk, total(toKey));
  if (u !== 0) f32.store(db, total(toWrite));
  return total(toDecay);
}

/**
 * Heads `from` … `to` − 1 of B H. Addresses as the op names its operands and their gradients, 0 for those that are
 * absent. What a chunk of `rows` positions needs lies in the workplace, values in rows of `width`: the gradient by the
 * state, a row's states, and v or what erasing made of it, u, dO, dv, du, then factors and sums.
 */
export function scanBackward(
  dO: usize, dState: usize, q: usize, k: usize, v: usize, g: usize, a: usize, b: usize, starts: usize, u: usize,
  dq: usize, dk: usize, dv: usize, dInitial: usize, dg: usize, da: usize, db: usize,
  from: i32, to: i32, T: i32, G: i32, H: i32, K: i32, V: i32, L: i32, perKey: bool,
): void {
  const width = padded(V);
  const wide = padded(K);
  const row = <usize>width << 2;
  const N = (T + L - 1) / L;
  const rows = <usize>min(L, T);
  const state = <usize>K * row;
  const own = a !== 0 && b === 0;

  const w = packB();
  const later = w + state;
  const states = later + (a !== 0 ? state : 0);
  const x = states + (rows + 1) * row;
  const outs = x + rows * row;
  const grads = outs + rows * row;
  const keep = grads + rows * row;
  const sums = keep + rows * (<usize>wide << 2);
  const written = sums + ((rows + 3) & ~3) * 4;
  const erased = written + (b !== 0 ? rows * row : 0);
  if (g === 0) ones(keep, <i32>rows * wide);

  for (let head = from; head < to; head++) {
    const n = head / H;
    const h = head % H;
    const group = (h * G) / H;
    gatherRows(w, dState + <usize>(head * K * V) * 4, K, V, width, <usize>V << 2);
    for (let c = N - 1; c >= 0; c--) {
      const first = n * T + c * L;
      const length = min(L, T - c * L);
      const values = <usize>((first * H + h) * V) * 4;
      const stride = <usize>(H * V) * 4;
      gatherRows(x, (own ? u : v) + values, length, V, width, stride);
      gatherRows(outs, dO + values, length, V, width, stride);
      if (b !== 0) gatherRows(written, u + values, length, V, width, stride);
      memory.fill(grads, 0, <usize>length * row);
      memory.fill(sums, 0, <usize>length * 4);
      if (g !== 0)
        for (let i = 0; i < length; i++) {
          const at = (first + i) * H + h;
          factors(keep + <usize>(i * wide) * 4, g + <usize>(perKey ? at * K : at) * 4, K, perKey);
        }
      if (a !== 0) {
        memory.copy(later, w, state);
        for (let i = length - 1; i >= 0; i--) {
          const keys = <usize>(((first + i) * H + h) * K) * 4;
          const shared = <usize>(((first + i) * G + group) * K) * 4;
          const at = <usize>i * row;
          eraseBackward(
            later, keep + <usize>(i * wide) * 4, q + shared, b !== 0 ? b + keys : k + shared, a + keys,
            outs + at, erased + at, K, width,
          );
        }
      }
      const start = starts + <usize>(((n * N + c) * H + h) * K * V) * 4;
      for (let d = 0; d < K; d++) {
        const lane = <usize>d << 2;
        copyPadded(states, start + <usize>(d * V) * 4, V, width);
        for (let i = 0; i < length; i++) {
          const keys = <usize>(((first + i) * H + h) * K) * 4 + lane;
          const shared = <usize>(((first + i) * G + group) * K) * 4 + lane;
          const at = <usize>i * row;
          rowForward(
            states + at + row, states + at, f32.load(keep + <usize>(i * wide) * 4 + lane), f32.load(k + shared), x + at,
            b !== 0 ? f32.load(b + keys) : 0, b !== 0 ? written + at : 0,
            outs + at, dq + keys, a !== 0 ? erased + at : 0, da + keys, width,
          );
        }
        const past = w + <usize>d * row;
        for (let i = length - 1; i >= 0; i--) {
          const keys = <usize>(((first + i) * H + h) * K) * 4 + lane;
          const shared = <usize>(((first + i) * G + group) * K) * 4 + lane;
          const at = <usize>i * row;
          const kept = f32.load(keep + <usize>(i * wide) * 4 + lane);
          const decay = kept * rowBackward(
            past, kept, f32.load(k + shared), f32.load(q + shared), a !== 0 ? f32.load(a + keys) : 0,
            states + at, x + at, b !== 0 ? written + at : 0,
            outs + at, grads + at, a !== 0 ? erased + at : 0, dk + keys, db + keys, width,
          );
          if (g !== 0) {
            if (perKey) f32.store(dg + keys, decay);
            else f32.store(sums + (<usize>i << 2), f32.load(sums + (<usize>i << 2)) + decay);
          }
        }
      }
      for (let i = 0; i < length; i++) {
        copyRow(dv + values + <usize>i * stride, (own ? erased : grads) + <usize>i * row, V);
        if (g !== 0 && !perKey)
          f32.store(dg + <usize>((first + i) * H + h) * 4, f32.load(sums + (<usize>i << 2)));
      }
    }
    for (let d = 0; d < K; d++)
      copyRow(dInitial + <usize>((head * K + d) * V) * 4, w + <usize>d * row, V);
  }
}
