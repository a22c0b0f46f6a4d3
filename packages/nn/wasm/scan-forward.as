// The scan forward. Columns of a state do not depend on each other: 16 of them at a time, in four vectors.
import { bufferAt, madd, packB } from '../../tensor/wasm/memory';
import { copyPadded, copyRow, factors, ones, padded } from './floats';

/** Bytes of a row of 16 columns. */
const ROW: usize = 64;

/** out ← Sᵀ a for 16 columns of S [K, 16]. */
export function readColumns(out: usize, S: usize, a: usize, K: i32): void {
  let x0 = f32x4.splat(0);
  let x1 = x0;
  let x2 = x0;
  let x3 = x0;
  for (const end = a + (<usize>K << 2); a < end; a += 4, S += ROW) {
    const factor = v128.load32_splat(a);
    x0 = madd(factor, v128.load(S), x0);
    x1 = madd(factor, v128.load(S, 16), x1);
    x2 = madd(factor, v128.load(S, 32), x2);
    x3 = madd(factor, v128.load(S, 48), x3);
  }
  v128.store(out, x0);
  v128.store(out, x1, 16);
  v128.store(out, x2, 32);
  v128.store(out, x3, 48);
}

/** S ← diag(keep) S + k xᵀ + b seenᵀ (without b: no such term), then out ← Sᵀ q, for 16 columns of S [K, 16]. */
export function writeColumns(
  out: usize, S: usize, keep: usize, k: usize, x: usize, b: usize, seen: usize, q: usize, K: i32,
): void {
  const x0 = v128.load(x);
  const x1 = v128.load(x, 16);
  const x2 = v128.load(x, 32);
  const x3 = v128.load(x, 48);
  let o0 = f32x4.splat(0);
  let o1 = o0;
  let o2 = o0;
  let o3 = o0;
  for (let i: usize = 0, end = <usize>K << 2; i < end; i += 4, S += ROW) {
    const kept = v128.load32_splat(keep + i);
    const key = v128.load32_splat(k + i);
    const query = v128.load32_splat(q + i);
    let s0 = madd(kept, v128.load(S), f32x4.mul(key, x0));
    let s1 = madd(kept, v128.load(S, 16), f32x4.mul(key, x1));
    let s2 = madd(kept, v128.load(S, 32), f32x4.mul(key, x2));
    let s3 = madd(kept, v128.load(S, 48), f32x4.mul(key, x3));
    if (b !== 0) {
      const factor = v128.load32_splat(b + i);
      s0 = madd(factor, v128.load(seen), s0);
      s1 = madd(factor, v128.load(seen, 16), s1);
      s2 = madd(factor, v128.load(seen, 32), s2);
      s3 = madd(factor, v128.load(seen, 48), s3);
    }
    v128.store(S, s0);
    v128.store(S, s1, 16);
    v128.store(S, s2, 32);
    v128.store(S, s3, 48);
    o0 = madd(query, s0, o0);
    o1 = madd(query, s1, o1);
    o2 = madd(query, s2, o2);
    o3 = madd(query, s3, o3);
  }
  v128.store(out, o0);
  v128.store(out, o1, 16);
  v128.store(out, o2, 32);
  v128.store(out, o3, 48);
}

/**
 * Heads `from` … `to` − 1 of B H. Addresses as the op names its operands, 0 for those that are absent; `starts` and
 * `u` are absent where no gradient will ask for them. The workplace holds the state, its columns in blocks [V / 16, K, 16], and the factors of a chunk.
 */
export function scanForward(
  q: usize, k: usize, v: usize, initial: usize, g: usize, a: usize, b: usize,
  o: usize, last: usize, starts: usize, u: usize,
  from: i32, to: i32, T: i32, G: i32, H: i32, K: i32, V: i32, L: i32, perKey: bool,
): void {
  const x = bufferAt();
  const seen = x + ROW;
  const out = seen + ROW;
  const N = (T + L - 1) / L;
  const block = <usize>K * ROW;
  const state = <usize>K * <usize>V * 4;
  const width = padded(K);
  const S = packB();
  const keep = S + <usize>((V + 15) / 16) * block;
  if (g === 0) ones(keep, min(L, T) * width);
  for (let head = from; head < to; head++) {
    const n = head / H;
    const h = head % H;
    moveState(S, initial + <usize>head * state, K, V, false);
    for (let c = 0; c < N; c++) {
      const first = n * T + c * L;
      const length = min(L, T - c * L);
      if (starts !== 0) moveState(S, starts + <usize>((n * N + c) * H + h) * state, K, V, true);
      if (g !== 0)
        for (let i = 0; i < length; i++) {
          const at = (first + i) * H + h;
          factors(keep + <usize>(i * width) * 4, g + <usize>(perKey ? at * K : at) * 4, K, perKey);
        }
      let columns = S;
      for (let e = 0; e < V; e += 16, columns += block) {
        const wide = min(16, V - e);
        for (let i = 0; i < length; i++) {
          const row = (first + i) * H + h;
          const keys = <usize>(row * K) * 4;
          const values = <usize>(row * V + e) * 4;
          const shared = <usize>(((first + i) * G + (h * G) / H) * K) * 4;
          copyPadded(x, v + values, wide, 16);
          if (a !== 0) {
            readColumns(seen, columns, a + keys, K);
            if (b === 0) {
              for (let j: usize = 0; j < ROW; j += 16)
                v128.store(x + j, f32x4.add(v128.load(x + j), v128.load(seen + j)));
            }
            if (u !== 0) copyRow(u + values, b === 0 ? x : seen, wide);
          }
          const kept = keep + <usize>(i * width) * 4;
          writeColumns(out, columns, kept, k + shared, x, b === 0 ? 0 : b + keys, seen, q + shared, K);
          copyRow(o + values, out, wide);
        }
      }
    }
    moveState(S, last + <usize>head * state, K, V, true);
  }
}

/** A state [K, V] from its place into blocks [V / 16, K, 16], or back. */
function moveState(S: usize, place: usize, K: i32, V: i32, back: bool): void {
  for (let e = 0; e < V; e += 16) {
    const wide = min(16, V - e);
    for (let d = 0; d < K; d++, S += ROW) {
      const at = place + <usize>(d * V + e) * 4;
      if (back) copyRow(at, S, wide);
      else copyPadded(S, at, wide, 16);
    }
  }
}
