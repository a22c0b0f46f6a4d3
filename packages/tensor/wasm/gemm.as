// C = A B or C += A B in f32. Every path adds the products of an element in the order of k into one
// accumulator, so that a result depends neither on strides nor on the other rows and columns.
import { BLOCK_K, BLOCK_M, BLOCK_N, madd, packA, packB, tileAt, tileRows } from './memory';

/** With fewer rows than this B is read in place where its rows are contiguous. */
const IN_PLACE: i32 = 24;

/** 6 x 8 of C; a: [k][6], b: rows of 8 with a distance of ldb bytes, c: rows with a distance of ldc bytes. */
export function tile6(k: i32, a: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  if (add) {
    let p = c;
    c00 = v128.load(p); c01 = v128.load(p, 16); p += ldc;
    c10 = v128.load(p); c11 = v128.load(p, 16); p += ldc;
    c20 = v128.load(p); c21 = v128.load(p, 16); p += ldc;
    c30 = v128.load(p); c31 = v128.load(p, 16); p += ldc;
    c40 = v128.load(p); c41 = v128.load(p, 16); p += ldc;
    c50 = v128.load(p); c51 = v128.load(p, 16);
  }
  const end = a + <usize>k * 24;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00); c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10); c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20); c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30); c31 = madd(x, b1, c31);
    x = v128.load32_splat(a, 16);
    c40 = madd(x, b0, c40); c41 = madd(x, b1, c41);
    x = v128.load32_splat(a, 20);
    c50 = madd(x, b0, c50); c51 = madd(x, b1, c51);
    a += 24;
    b += ldb;
  }
  v128.store(c, c00); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30); v128.store(c, c31, 16); c += ldc;
  v128.store(c, c40); v128.store(c, c41, 16); c += ldc;
  v128.store(c, c50); v128.store(c, c51, 16);
}

/** 4 x 8 of C; a: [k][4]. */
export function tile4(k: i32, a: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  if (add) {
    let p = c;
    c00 = v128.load(p); c01 = v128.load(p, 16); p += ldc;
    c10 = v128.load(p); c11 = v128.load(p, 16); p += ldc;
    c20 = v128.load(p); c21 = v128.load(p, 16); p += ldc;
    c30 = v128.load(p); c31 = v128.load(p, 16);
  }
  const end = a + <usize>k * 16;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00); c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10); c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20); c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30); c31 = madd(x, b1, c31);
    a += 16;
    b += ldb;
  }
  v128.store(c, c00); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30); v128.store(c, c31, 16);
}

/** Rows of the strip that begins where `left` rows are left: 6 or 4 such that least is padded. */
@inline
function stripRows(left: i32): i32 {
  if (tileRows() === 4) return 4;
  return left <= 4 || left === 7 || left === 8 ? 4 : 6;
}

/** Transposes 4 x 4 floats at p with a distance of `step` bytes between rows to q, rows `out` bytes apart. */
@inline
function transpose4(p: usize, step: usize, q: usize, out: usize): void {
  const r0 = v128.load(p);
  const r1 = v128.load(p + step);
  const r2 = v128.load(p + 2 * step);
  const r3 = v128.load(p + 3 * step);
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t2 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(q, v128.shuffle<f64>(t0, t2, 0, 2));
  v128.store(q + out, v128.shuffle<f64>(t0, t2, 1, 3));
  v128.store(q + 2 * out, v128.shuffle<f64>(t1, t3, 0, 2));
  v128.store(q + 3 * out, v128.shuffle<f64>(t1, t3, 1, 3));
}

/** One strip: dst [k][width] = src (r, l) at src + r row + l col for r < rows, 0 for the others. Strides in bytes. */
function packStrip(dst: usize, width: i32, src: usize, rows: i32, k: i32, row: usize, col: usize): void {
  const w = <usize>width * 4;
  let r = 0;
  if (col === 4 && k >= 4) {
    const whole = k & ~3;
    for (; r + 4 <= rows; r += 4) {
      let p = src + <usize>r * row;
      let q = dst + <usize>r * 4;
      for (let l = 0; l < whole; l += 4) {
        transpose4(p, row, q, w);
        p += 16;
        q += 4 * w;
      }
      for (let l = whole; l < k; l++) {
        for (let i = 0; i < 4; i++) f32.store(q + <usize>i * 4, f32.load(p + <usize>i * row));
        p += 4;
        q += w;
      }
    }
    if (r + 2 <= rows) {
      let p = src + <usize>r * row;
      let q = dst + <usize>r * 4;
      for (let l = 0; l < whole; l += 4) {
        const r0 = v128.load(p);
        const r1 = v128.load(p + row);
        const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const t1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        v128.store64_lane(q, t0, 0);
        v128.store64_lane(q + w, t0, 1);
        v128.store64_lane(q + 2 * w, t1, 0);
        v128.store64_lane(q + 3 * w, t1, 1);
        p += 16;
        q += 4 * w;
      }
      for (let l = whole; l < k; l++) {
        f32.store(q, f32.load(p));
        f32.store(q, f32.load(p + row), 4);
        p += 4;
        q += w;
      }
      r += 2;
    }
  } else if (row === 4) {
    let p = src;
    let q = dst;
    for (; r + 4 <= rows; r += 4) {
      p = src + <usize>r * 4;
      q = dst + <usize>r * 4;
      for (let l = 0; l < k; l++) {
        v128.store(q, v128.load(p));
        p += col;
        q += w;
      }
    }
    if (r + 2 <= rows) {
      p = src + <usize>r * 4;
      q = dst + <usize>r * 4;
      for (let l = 0; l < k; l++) {
        i64.store(q, i64.load(p));
        p += col;
        q += w;
      }
      r += 2;
    }
  }
  for (; r < rows; r++) {
    let p = src + <usize>r * row;
    let q = dst + <usize>r * 4;
    for (let l = 0; l < k; l++) {
      f32.store(q, f32.load(p));
      p += col;
      q += w;
    }
  }
  for (; r < width; r++) {
    let q = dst + <usize>r * 4;
    for (let l = 0; l < k; l++) {
      f32.store(q, 0);
      q += w;
    }
  }
}

/** Whole strips of 8 columns of a matrix with contiguous rows, four rows at a time. */
function packRows8(dst: usize, src: usize, strips: i32, k: i32, row: usize): void {
  const strip = <usize>k * 32;
  let l = 0;
  for (; l + 4 <= k; l += 4) {
    let p = src + <usize>l * row;
    let q = dst + <usize>l * 32;
    for (let s = 0; s < strips; s++) {
      v128.store(q, v128.load(p));
      v128.store(q, v128.load(p, 16), 16);
      let r = p + row;
      v128.store(q, v128.load(r), 32);
      v128.store(q, v128.load(r, 16), 48);
      r += row;
      v128.store(q, v128.load(r), 64);
      v128.store(q, v128.load(r, 16), 80);
      r += row;
      v128.store(q, v128.load(r), 96);
      v128.store(q, v128.load(r, 16), 112);
      p += 32;
      q += strip;
    }
  }
  for (; l < k; l++) {
    let p = src + <usize>l * row;
    let q = dst + <usize>l * 32;
    for (let s = 0; s < strips; s++) {
      v128.store(q, v128.load(p));
      v128.store(q, v128.load(p, 16), 16);
      p += 32;
      q += strip;
    }
  }
}

/** A tile that hangs over the edge: computed beside, the part that exists is copied. */
function edge(rows: i32, k: i32, a: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool, m: i32, n: i32): void {
  const bytes = <usize>n * 4;
  if (add) {
    for (let i = 0; i < m; i++) memory.copy(tileAt() + <usize>i * 32, c + <usize>i * ldc, bytes);
  }
  if (rows === 6) tile6(k, a, b, ldb, tileAt(), 32, add);
  else tile4(k, a, b, ldb, tileAt(), 32, add);
  for (let i = 0; i < m; i++) memory.copy(c + <usize>i * ldc, tileAt() + <usize>i * 32, bytes);
}

/** All packed strips of A times one strip of B. */
export function column(m: i32, n: i32, k: i32, b: usize, ldb: usize, c: usize, ldc: usize, add: bool): void {
  let a = packA();
  let i = 0;
  while (i < m) {
    const rows = stripRows(m - i);
    if (rows > m - i || n < 8) edge(rows, k, a, b, ldb, c, ldc, add, min(rows, m - i), n);
    else if (rows === 6) tile6(k, a, b, ldb, c, ldc, add);
    else tile4(k, a, b, ldb, c, ldc, add);
    a += <usize>rows * <usize>k * 4;
    c += <usize>rows * ldc;
    i += rows;
  }
}

/** One row of C with contiguous rows of B: C stays in cache, four rows of B at a time. */
function rowTimes(n: i32, k: i32, a: usize, aCol: usize, b: usize, bRow: usize, c: usize): void {
  let l = 0;
  for (; l + 4 <= k; l += 4) {
    const a0 = v128.load32_splat(a);
    const a1 = v128.load32_splat(a + aCol);
    const a2 = v128.load32_splat(a + 2 * aCol);
    const a3 = v128.load32_splat(a + 3 * aCol);
    const b1 = b + bRow;
    const b2 = b1 + bRow;
    const b3 = b2 + bRow;
    let j: usize = 0;
    const whole = <usize>(n & ~3) * 4;
    for (; j < whole; j += 16) {
      let s = madd(a0, v128.load(b + j), v128.load(c + j));
      s = madd(a1, v128.load(b1 + j), s);
      s = madd(a2, v128.load(b2 + j), s);
      v128.store(c + j, madd(a3, v128.load(b3 + j), s));
    }
    for (; j < <usize>n * 4; j += 4) {
      let s = madd(a0, v128.load32_zero(b + j), v128.load32_zero(c + j));
      s = madd(a1, v128.load32_zero(b1 + j), s);
      s = madd(a2, v128.load32_zero(b2 + j), s);
      v128.store32_lane(c + j, madd(a3, v128.load32_zero(b3 + j), s), 0);
    }
    a += 4 * aCol;
    b = b3 + bRow;
  }
  for (; l < k; l++) {
    const a0 = v128.load32_splat(a);
    let j: usize = 0;
    const whole = <usize>(n & ~3) * 4;
    for (; j < whole; j += 16) v128.store(c + j, madd(a0, v128.load(b + j), v128.load(c + j)));
    for (; j < <usize>n * 4; j += 4) {
      v128.store32_lane(c + j, madd(a0, v128.load32_zero(b + j), v128.load32_zero(c + j)), 0);
    }
    a += aCol;
    b += bRow;
  }
}

/** s plus four products each of four neighbouring columns, whose k lies side by side: turned in registers. */
@inline
function fourDots(b: usize, bCol: usize, x0: v128, x1: v128, x2: v128, x3: v128, s: v128): v128 {
  const r0 = v128.load(b);
  const r1 = v128.load(b + bCol);
  const r2 = v128.load(b + 2 * bCol);
  const r3 = v128.load(b + 3 * bCol);
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t2 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  s = madd(x0, v128.shuffle<f64>(t0, t2, 0, 2), s);
  s = madd(x1, v128.shuffle<f64>(t0, t2, 1, 3), s);
  s = madd(x2, v128.shuffle<f64>(t1, t3, 0, 2), s);
  return madd(x3, v128.shuffle<f64>(t1, t3, 1, 3), s);
}

/** The last products of some columns, one by one. */
function restDots(n: i32, l: i32, k: i32, a: usize, aCol: usize, b: usize, bCol: usize, c: usize): void {
  for (; l < k; l++) {
    const x = v128.load32_zero(a + <usize>l * aCol);
    let p = b + <usize>l * 4;
    for (let i: usize = 0; i < <usize>n * 4; i += 4) {
      v128.store32_lane(c + i, madd(x, v128.load32_zero(p), v128.load32_zero(c + i)), 0);
      p += bCol;
    }
  }
}

/** One row of C with contiguous columns of B: 16 columns at a time, so that the sums do not wait for each other. */
function rowDots(n: i32, k: i32, a: usize, aCol: usize, b: usize, bCol: usize, c: usize): void {
  const whole = k & ~3;
  const step: usize = 4 * aCol;
  let j = 0;
  // Columns at distances of 4 KiB fall on one set of the cache, which holds 8 lines.
  for (; j + 16 <= n && (bCol & 4095) !== 0; j += 16) {
    let s0 = v128.load(c), s1 = v128.load(c, 16), s2 = v128.load(c, 32), s3 = v128.load(c, 48);
    let p = b, x = a;
    for (let l = 0; l < whole; l += 4) {
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x + aCol);
      const x2 = v128.load32_splat(x + 2 * aCol);
      const x3 = v128.load32_splat(x + 3 * aCol);
      s0 = fourDots(p, bCol, x0, x1, x2, x3, s0);
      s1 = fourDots(p + 4 * bCol, bCol, x0, x1, x2, x3, s1);
      s2 = fourDots(p + 8 * bCol, bCol, x0, x1, x2, x3, s2);
      s3 = fourDots(p + 12 * bCol, bCol, x0, x1, x2, x3, s3);
      p += 16;
      x += step;
    }
    v128.store(c, s0); v128.store(c, s1, 16); v128.store(c, s2, 32); v128.store(c, s3, 48);
    restDots(16, whole, k, a, aCol, b, bCol, c);
    b += 16 * bCol;
    c += 64;
  }
  for (; j + 8 <= n; j += 8) {
    let s0 = v128.load(c), s1 = v128.load(c, 16);
    let p = b, x = a;
    for (let l = 0; l < whole; l += 4) {
      const x0 = v128.load32_splat(x);
      const x1 = v128.load32_splat(x + aCol);
      const x2 = v128.load32_splat(x + 2 * aCol);
      const x3 = v128.load32_splat(x + 3 * aCol);
      s0 = fourDots(p, bCol, x0, x1, x2, x3, s0);
      s1 = fourDots(p + 4 * bCol, bCol, x0, x1, x2, x3, s1);
      p += 16;
      x += step;
    }
    v128.store(c, s0); v128.store(c, s1, 16);
    restDots(8, whole, k, a, aCol, b, bCol, c);
    b += 8 * bCol;
    c += 32;
  }
  for (; j + 4 <= n; j += 4) {
    let s = v128.load(c);
    let p = b, x = a;
    for (let l = 0; l < whole; l += 4) {
      s = fourDots(
        p, bCol, v128.load32_splat(x), v128.load32_splat(x + aCol),
        v128.load32_splat(x + 2 * aCol), v128.load32_splat(x + 3 * aCol), s,
      );
      p += 16;
      x += step;
    }
    v128.store(c, s);
    restDots(4, whole, k, a, aCol, b, bCol, c);
    b += 4 * bCol;
    c += 16;
  }
  if (j < n) restDots(n - j, 0, k, a, aCol, b, bCol, c);
}

/**
 * C [m, n] = A [m, k] B [k, n], or C += A B when `add`. Element (i, j) of X lies at x + 4 (i xRow + j xCol);
 * the columns of C are contiguous. Strides may be 0 or negative.
 */
export function gemm(
  m: i32, n: i32, k: i32,
  a: usize, aRow: i32, aCol: i32,
  b: usize, bRow: i32, bCol: i32,
  c: usize, cRow: i32, add: bool,
): void {
  const ar = <usize>(aRow * 4), ac = <usize>(aCol * 4), br = <usize>(bRow * 4), bc = <usize>(bCol * 4), ldc = <usize>(cRow * 4);
  if (!add && (k === 0 || (m <= 2 && (bCol === 1 || bRow === 1)))) {
    for (let i = 0; i < m; i++) memory.fill(c + <usize>i * ldc, 0, <usize>n * 4);
  }
  if (m <= 2 && bCol === 1) {
    for (let i = 0; i < m; i++) rowTimes(n, k, a + <usize>i * ar, ac, b, br, c + <usize>i * ldc);
    return;
  }
  if (m <= 2 && bRow === 1) {
    for (let i = 0; i < m; i++) rowDots(n, k, a + <usize>i * ar, ac, b, bc, c + <usize>i * ldc);
    return;
  }
  // Rows at distances of 2 KiB fall on few sets of the cache: copying B is faster then.
  const inPlace = m < IN_PLACE && bCol === 1 && (br & 2047) !== 0;
  for (let k0 = 0; k0 < k; k0 += BLOCK_K) {
    const depth = min(BLOCK_K, k - k0);
    const more = add || k0 > 0;
    for (let j0 = 0; j0 < n; j0 += BLOCK_N) {
      const columns = min(BLOCK_N, n - j0);
      const whole = columns & ~7;
      const src = b + <usize>k0 * br + <usize>j0 * bc;
      const strip = <usize>depth * 32;
      let last = packB();
      if (!inPlace) {
        if (bCol === 1) packRows8(packB(), src, whole >> 3, depth, br);
        else for (let j = 0; j < whole; j += 8) packStrip(packB() + <usize>(j >> 3) * strip, 8, src + <usize>j * bc, 8, depth, bc, br);
        last += <usize>(whole >> 3) * strip;
      }
      if (whole < columns) packStrip(last, 8, src + <usize>whole * bc, columns - whole, depth, bc, br);
      for (let i0 = 0; i0 < m; i0 += BLOCK_M) {
        const rows = min(BLOCK_M, m - i0);
        let dst = packA();
        for (let i = 0; i < rows;) {
          const width = stripRows(rows - i);
          packStrip(dst, width, a + <usize>(i0 + i) * ar + <usize>k0 * ac, min(width, rows - i), depth, ar, ac);
          dst += <usize>width * <usize>depth * 4;
          i += width;
        }
        let o = c + <usize>i0 * ldc + <usize>j0 * 4;
        for (let j = 0; j < whole; j += 8) {
          if (inPlace) column(rows, 8, depth, src + <usize>j * 4, br, o, ldc, more);
          else column(rows, 8, depth, packB() + <usize>(j >> 3) * strip, 32, o, ldc, more);
          o += 32;
        }
        if (whole < columns) column(rows, columns - whole, depth, last, 32, o, ldc, more);
      }
    }
  }
}

/** Rows or columns of B that a product of one row takes before the next product of a batch has its turn with them. */
const TURN: i32 = 16;

/**
 * `count` products C = A B; the matrices of the next one lie a step on. All distances in elements.
 *
 * Products of one row whose matrices B lie side by side, as heads in a position, take turns at some rows of memory:
 * all of it is then read once, from its beginning to its end.
 */
export function gemmBatch(
  count: i32, m: i32, n: i32, k: i32,
  a: usize, aStep: i32, aRow: i32, aCol: i32,
  b: usize, bStep: i32, bRow: i32, bCol: i32,
  c: usize, cStep: i32, cRow: i32,
): void {
  const as = <usize>(aStep * 4), ac = <usize>(aCol * 4), bs = <usize>(bStep * 4), cs = <usize>(cStep * 4);
  const times = bCol === 1 && bStep < bRow;
  const turns = m === 1 && bStep > 0 && (times || (bRow === 1 && bStep < bCol));
  if (!turns) {
    for (let i = 0; i < count; i++) {
      gemm(m, n, k, a, aRow, aCol, b, bRow, bCol, c, cRow, false);
      a += as;
      b += bs;
      c += cs;
    }
    return;
  }
  for (let i = 0; i < count; i++) memory.fill(c + <usize>i * cs, 0, <usize>n * 4);
  const row = <usize>((times ? bRow : bCol) * 4);
  const rows = times ? k : n;
  for (let r = 0; r < rows; r += TURN) {
    const some = min(TURN, rows - r);
    const from = b + <usize>r * row;
    for (let i = 0; i < count; i++) {
      const at = <usize>i;
      if (times) rowTimes(n, some, a + at * as + <usize>r * ac, ac, from + at * bs, row, c + at * cs);
      else rowDots(some, k, a + at * as, ac, from + at * bs, row, c + at * cs + <usize>r * 4);
    }
  }
}

/** B [k, n] in strips of 8 columns, [n/8][k][8], missing columns 0: for a matrix that many products share. */
export function packColumns(dst: usize, n: i32, k: i32, b: usize, bRow: i32, bCol: i32): void {
  const br = <usize>(bRow * 4), bc = <usize>(bCol * 4);
  const strip = <usize>k * 32;
  for (let j = 0; j < n; j += 8) {
    packStrip(dst, 8, b, min(8, n - j), k, bc, br);
    dst += strip;
    b += 8 * bc;
  }
}

/** One row of C = or += a row of A times packed columns; four strips side by side hide the latency of the sums. */
function rowPacked(n: i32, k: i32, a: usize, aCol: usize, b: usize, c: usize, add: bool): void {
  const strip = <usize>k * 32;
  let j = 0;
  for (; j + 32 <= n; j += 32) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    if (add) {
      s0 = v128.load(c); s1 = v128.load(c, 16); s2 = v128.load(c, 32); s3 = v128.load(c, 48);
      s4 = v128.load(c, 64); s5 = v128.load(c, 80); s6 = v128.load(c, 96); s7 = v128.load(c, 112);
    }
    let p = b, x = a;
    const q = b + 2 * strip;
    const end = b + strip;
    let r = q;
    while (p < end) {
      const v = v128.load32_splat(x);
      s0 = madd(v, v128.load(p), s0); s1 = madd(v, v128.load(p, 16), s1);
      s2 = madd(v, v128.load(p + strip), s2); s3 = madd(v, v128.load(p + strip, 16), s3);
      s4 = madd(v, v128.load(r), s4); s5 = madd(v, v128.load(r, 16), s5);
      s6 = madd(v, v128.load(r + strip), s6); s7 = madd(v, v128.load(r + strip, 16), s7);
      p += 32;
      r += 32;
      x += aCol;
    }
    v128.store(c, s0); v128.store(c, s1, 16); v128.store(c, s2, 32); v128.store(c, s3, 48);
    v128.store(c, s4, 64); v128.store(c, s5, 80); v128.store(c, s6, 96); v128.store(c, s7, 112);
    c += 128;
    b += 4 * strip;
  }
  for (; j < n; j += 8) {
    const width = <usize>min(8, n - j) * 4;
    let s0 = f32x4.splat(0), s1 = s0;
    if (add) {
      memory.copy(tileAt(), c, width);
      s0 = v128.load(tileAt()); s1 = v128.load(tileAt(), 16);
    }
    let p = b, x = a;
    const end = b + strip;
    while (p < end) {
      const v = v128.load32_splat(x);
      s0 = madd(v, v128.load(p), s0);
      s1 = madd(v, v128.load(p, 16), s1);
      p += 32;
      x += aCol;
    }
    v128.store(tileAt(), s0); v128.store(tileAt(), s1, 16);
    memory.copy(c, tileAt(), width);
    c += 32;
    b += strip;
  }
}

/** C [m, n] = A [m, k] B, or C += A B, with B from `packColumns`; strides of A and C in elements. */
export function gemmPacked(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aCol: i32, b: usize, c: usize, cRow: i32, add: bool,
): void {
  const ar = <usize>(aRow * 4), ac = <usize>(aCol * 4), ldc = <usize>(cRow * 4);
  if (m <= 2) {
    for (let i = 0; i < m; i++) rowPacked(n, k, a + <usize>i * ar, ac, b, c + <usize>i * ldc, add);
    return;
  }
  if (k === 0 && !add) for (let i = 0; i < m; i++) memory.fill(c + <usize>i * ldc, 0, <usize>n * 4);
  for (let k0 = 0; k0 < k; k0 += BLOCK_K) {
    const depth = min(BLOCK_K, k - k0);
    const more = add || k0 > 0;
    for (let i0 = 0; i0 < m; i0 += BLOCK_M) {
      const rows = min(BLOCK_M, m - i0);
      let dst = packA();
      for (let i = 0; i < rows;) {
        const width = stripRows(rows - i);
        packStrip(dst, width, a + <usize>(i0 + i) * ar + <usize>k0 * ac, min(width, rows - i), depth, ar, ac);
        dst += <usize>width * <usize>depth * 4;
        i += width;
      }
      let o = c + <usize>i0 * ldc;
      let p = b + <usize>k0 * 32;
      for (let j = 0; j < n; j += 8) {
        column(rows, min(8, n - j), depth, p, 32, o, ldc, more);
        o += 32;
        p += <usize>k * 32;
      }
    }
  }
}
