// The scan of what erases nothing and decays by heads at most: chunks as products of matrices, causal ones by blocks of
// rows. Factors between two positions are products of e^g, never quotients.
import { exp } from '../../tensor/wasm/functions';
import { madd, packB } from '../../tensor/wasm/memory';
import { gemm } from '../../tensor/wasm/tensor';
import { ones, padded, total } from './floats';

/** Rows of a block of a triangle. */
const BLOCK: i32 = 32;

/** The workplace, behind what products of up to 256 rows and columns need. */
function workplace(): usize {
  return packB() + 280_000;
}

/** Σ x ∘ y of n elements. */
function dot(x: usize, y: usize, n: i32): f32 {
  let sum = f32x4.splat(0);
  const end = <usize>n << 2;
  let i: usize = 0;
  for (; i + 16 <= end; i += 16) sum = madd(v128.load(x + i), v128.load(y + i), sum);
  let all = total(sum);
  for (; i < end; i += 4) all += f32.load(x + i) * f32.load(y + i);
  return all;
}

/** to ← factor x, n elements. */
function scale(to: usize, x: usize, factor: f32, n: i32): void {
  const by = f32x4.splat(factor);
  const end = <usize>n << 2;
  let i: usize = 0;
  for (; i + 16 <= end; i += 16) v128.store(to + i, f32x4.mul(by, v128.load(x + i)));
  for (; i < end; i += 4) f32.store(to + i, factor * f32.load(x + i));
}

/** Rows of n elements times a factor each, side by side. */
function scaleRows(to: usize, x: usize, stride: i32, by: usize, n: i32, rows: i32): usize {
  for (let i = 0; i < rows; i++) {
    scale(to + <usize>(i * n) * 4, x + <usize>(i * stride) * 4, f32.load(by + <usize>i * 4), n);
  }
  return to;
}

/** e^g of a chunk's positions into `keep`, the products up to each into `down`, of all behind each into `up`. */
function factorsOf(keep: usize, down: usize, up: usize, g: usize, H: i32, rows: i32): void {
  let product: f32 = 1;
  for (let i = 0; i < rows; i++) {
    v128.store32_lane(keep + <usize>i * 4, exp(v128.load32_splat(g + <usize>(i * H) * 4)), 0);
    product *= f32.load(keep + <usize>i * 4);
    f32.store(down + <usize>i * 4, product);
  }
  product = 1;
  for (let i = rows - 1; i >= 0; i--) {
    f32.store(up + <usize>i * 4, product);
    product *= f32.load(keep + <usize>i * 4);
  }
}

/** A_ts = x_t · y_s for s ≤ t, rows of `wide` elements. What lies behind t within its block is no use to anyone. */
function lower(A: usize, wide: i32, x: usize, xRow: i32, y: usize, yRow: i32, rows: i32, n: i32): void {
  for (let t = 0; t < rows; t += BLOCK) {
    const some = min(BLOCK, rows - t);
    gemm(some, t + some, n, x + <usize>(t * xRow) * 4, xRow, 1, y, 1, yRow, A + <usize>(t * wide) * 4, wide, false);
  }
}

/** A_ts ← P_ts A_ts with the factors between, 0 for s > t; `line` is a place for [wide]. */
function weigh(A: usize, line: usize, keep: usize, wide: i32, rows: i32): void {
  memory.fill(line, 0, <usize>wide * 4);
  for (let t = 0; t < rows; t++) {
    const kept = v128.load32_splat(keep + <usize>t * 4);
    const own = line + <usize>t * 4;
    const end = line + <usize>padded(t) * 4;
    for (let at = line; at < end; at += 16) v128.store(at, f32x4.mul(kept, v128.load(at)));
    f32.store(own, 1);
    for (let i: usize = 0; i <= <usize>t * 4; i += 16) v128.store(A + i, f32x4.mul(v128.load(line + i), v128.load(A + i)));
    const behind = <usize>(t + 1) * 4;
    memory.fill(A + behind, 0, <usize>min(wide, (t / BLOCK + 1) * BLOCK) * 4 - behind);
    A += <usize>wide * 4;
  }
}

/** out = or += A x for a triangle A. */
function times(out: usize, outRow: i32, A: usize, wide: i32, x: usize, xRow: i32, rows: i32, n: i32, add: bool): void {
  for (let t = 0; t < rows; t += BLOCK) {
    const some = min(BLOCK, rows - t);
    gemm(some, n, t + some, A + <usize>(t * wide) * 4, wide, 1, x, xRow, 1, out + <usize>(t * outRow) * 4, outRow, add);
  }
}

/** out += Aᵀ x. */
function timesTurned(out: usize, outRow: i32, A: usize, wide: i32, x: usize, xRow: i32, rows: i32, n: i32): void {
  for (let s = 0; s < rows; s += BLOCK) {
    const some = min(BLOCK, rows - s);
    const from = A + <usize>(s * wide + s) * 4;
    gemm(some, n, rows - s, from, 1, wide, x + <usize>(s * xRow) * 4, xRow, 1, out + <usize>(s * outRow) * 4, outRow, true);
  }
}

/** Heads `from` … `to` − 1 of B H, as `scanForward` has them. */
export function chunksForward(
  q: usize, k: usize, v: usize, initial: usize, g: usize, a: usize, b: usize,
  o: usize, last: usize, starts: usize, u: usize,
  from: i32, to: i32, T: i32, G: i32, H: i32, K: i32, V: i32, L: i32, perKey: bool,
): void {
  const N = (T + L - 1) / L;
  const wide = padded(min(L, T));
  const size = <usize>(K * V) * 4;
  const keep = workplace(), line = <usize>wide * 4;
  const down = keep + line, up = down + line, A = up + 2 * line, scaled = A + <usize>wide * line;
  if (g === 0) ones(keep, wide);
  for (let head = from; head < to; head++) {
    const n = head / H, h = head % H;
    const S = last + <usize>head * size;
    memory.copy(S, initial + <usize>head * size, size);
    for (let c = 0; c < N; c++) {
      const first = n * T + c * L;
      const rows = min(L, T - c * L);
      if (starts !== 0) memory.copy(starts + <usize>((n * N + c) * H + h) * size, S, size);
      const shared = <usize>((first * G + (h * G) / H) * K) * 4, values = <usize>((first * H + h) * V) * 4;
      let x = q + shared, y = k + shared, row = G * K;
      lower(A, wide, x, row, y, row, rows, K);
      if (g !== 0) factorsOf(keep, down, up, g + <usize>(first * H + h) * 4, H, rows);
      weigh(A, up + line, keep, wide, rows);
      times(o + values, H * V, A, wide, v + values, H * V, rows, V, false);
      if (g !== 0) x = scaleRows(scaled, x, row, down, K, rows);
      gemm(rows, V, K, x, g !== 0 ? K : row, 1, S, V, 1, o + values, H * V, true);
      if (g !== 0) {
        scale(S, S, f32.load(down + <usize>(rows - 1) * 4), K * V);
        y = scaleRows(scaled, y, row, up, K, rows);
        row = K;
      }
      gemm(K, V, rows, y, 1, row, v + values, H * V, 1, S, V, true);
    }
  }
}

/** sums_t ← Σ M_ij with i ≥ t > j, M = A ∘ Y; `line` is a place for [wide]. */
function crossing(sums: usize, line: usize, A: usize, Y: usize, wide: i32, rows: i32): void {
  memory.fill(line, 0, <usize>wide * 4);
  for (let t = rows - 1; t >= 0; t--) {
    const at = <usize>(t * wide) * 4;
    const end = <usize>t * 4;
    let sum = f32x4.splat(0);
    let i: usize = 0;
    for (; i + 16 <= end; i += 16) {
      const column = madd(v128.load(A + at + i), v128.load(Y + at + i), v128.load(line + i));
      v128.store(line + i, column);
      sum = f32x4.add(sum, column);
    }
    let all = total(sum);
    for (; i < end; i += 4) {
      const column = f32.load(line + i) + f32.load(A + at + i) * f32.load(Y + at + i);
      f32.store(line + i, column);
      all += column;
    }
    f32.store(sums + end, all);
  }
}

/** The gradient, as `scanBackward` has it. That of a log-decay is the sum of all that passes through its factor. */
export function chunksBackward(
  dO: usize, dState: usize, q: usize, k: usize, v: usize, g: usize, a: usize, b: usize, starts: usize, u: usize,
  dq: usize, dk: usize, dv: usize, dInitial: usize, dg: usize, da: usize, db: usize,
  from: i32, to: i32, T: i32, G: i32, H: i32, K: i32, V: i32, L: i32, perKey: bool,
): void {
  const N = (T + L - 1) / L;
  const wide = padded(min(L, T));
  const size = <usize>(K * V) * 4;
  const keep = workplace(), line = <usize>wide * 4;
  const down = keep + line, up = down + line, place = up + line, sums = place + line;
  const A = sums + line, Y = A + <usize>wide * line, scaled = Y + <usize>wide * line;
  if (g === 0) ones(keep, wide);
  for (let head = from; head < to; head++) {
    const n = head / H, h = head % H;
    const w = dInitial + <usize>head * size;
    memory.copy(w, dState + <usize>head * size, size);
    for (let c = N - 1; c >= 0; c--) {
      const first = n * T + c * L;
      const rows = min(L, T - c * L);
      const S = starts + <usize>((n * N + c) * H + h) * size;
      const own = first * H + h, row = G * K, keys = H * K, wideV = H * V;
      const shared = <usize>((first * G + (h * G) / H) * K) * 4, values = <usize>(own * V) * 4, made = <usize>(own * K) * 4;
      const queries = q + shared, outs = dO + values;
      if (g !== 0) factorsOf(keep, down, up, g + <usize>own * 4, H, rows);
      lower(A, wide, queries, row, k + shared, row, rows, K);
      lower(Y, wide, outs, wideV, v + values, wideV, rows, V);
      weigh(A, place, keep, wide, rows);
      if (g !== 0) crossing(sums, place, A, Y, wide, rows);
      weigh(Y, place, keep, wide, rows);

      let x = g === 0 ? outs : scaleRows(scaled, outs, wideV, down, V, rows);
      gemm(rows, K, V, x, g === 0 ? wideV : V, 1, S, 1, V, dq + made, keys, false);
      if (g !== 0) {
        let past: f32 = 0;
        for (let t = rows - 1; t >= 0; t--) {
          past += dot(queries + <usize>(t * row) * 4, dq + made + <usize>(t * keys) * 4, K);
          f32.store(sums + <usize>t * 4, f32.load(sums + <usize>t * 4) + past);
        }
      }
      times(dq + made, keys, Y, wide, k + shared, row, rows, K, true);

      x = g === 0 ? k + shared : scaleRows(scaled, k + shared, row, up, K, rows);
      gemm(rows, V, K, x, g === 0 ? row : K, 1, w, V, 1, dv + values, wideV, false);
      if (g !== 0) {
        let future: f32 = f32.load(down + <usize>(rows - 1) * 4) * dot(w, S, K * V);
        for (let t = 0; t < rows; t++) {
          f32.store(dg + <usize>(own + t * H) * 4, f32.load(sums + <usize>t * 4) + future);
          const at = values + <usize>(t * wideV) * 4;
          future += dot(v + at, dv + at, V);
        }
      }
      timesTurned(dv + values, wideV, A, wide, outs, wideV, rows, V);

      x = g === 0 ? v + values : scaleRows(scaled, v + values, wideV, up, V, rows);
      gemm(rows, K, V, x, g === 0 ? wideV : V, 1, w, 1, V, dk + made, keys, false);
      timesTurned(dk + made, keys, Y, wide, queries, row, rows, K);

      x = queries;
      if (g !== 0) {
        scale(w, w, f32.load(down + <usize>(rows - 1) * 4), K * V);
        x = scaleRows(scaled, queries, row, down, K, rows);
      }
      gemm(K, V, rows, x, 1, g === 0 ? row : K, outs, wideV, 1, w, V, true);
    }
  }
}
