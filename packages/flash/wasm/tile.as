// Products of a tile: 6 (4 without relaxed SIMD) rows by 8 columns of sums in registers, operands where they lie.
import { madd, tileRows } from '../../tensor/wasm/memory';

/** c [6, 8] = Σ_l a_r[l] b_l, or added to it; rows of a lie `aRow` bytes apart, those of b and c `ldb` and `ldc`. */
export function rows6(k: i32, a: usize, aRow: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool): void {
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
  const end = a + <usize>k * 4;
  const a2 = aRow * 2, a3 = aRow * 3, a4 = aRow * 4, a5 = aRow * 5;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00); c01 = madd(x, b1, c01);
    x = v128.load32_splat(a + aRow);
    c10 = madd(x, b0, c10); c11 = madd(x, b1, c11);
    x = v128.load32_splat(a + a2);
    c20 = madd(x, b0, c20); c21 = madd(x, b1, c21);
    x = v128.load32_splat(a + a3);
    c30 = madd(x, b0, c30); c31 = madd(x, b1, c31);
    x = v128.load32_splat(a + a4);
    c40 = madd(x, b0, c40); c41 = madd(x, b1, c41);
    x = v128.load32_splat(a + a5);
    c50 = madd(x, b0, c50); c51 = madd(x, b1, c51);
    a += 4;
    b += ldb;
  }
  v128.store(c, c00); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30); v128.store(c, c31, 16); c += ldc;
  v128.store(c, c40); v128.store(c, c41, 16); c += ldc;
  v128.store(c, c50); v128.store(c, c51, 16);
}

/** The same for 4 rows. */
export function rows4(k: i32, a: usize, aRow: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  if (add) {
    let p = c;
    c00 = v128.load(p); c01 = v128.load(p, 16); p += ldc;
    c10 = v128.load(p); c11 = v128.load(p, 16); p += ldc;
    c20 = v128.load(p); c21 = v128.load(p, 16); p += ldc;
    c30 = v128.load(p); c31 = v128.load(p, 16);
  }
  const end = a + <usize>k * 4;
  const a2 = aRow * 2, a3 = aRow * 3;
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00); c01 = madd(x, b1, c01);
    x = v128.load32_splat(a + aRow);
    c10 = madd(x, b0, c10); c11 = madd(x, b1, c11);
    x = v128.load32_splat(a + a2);
    c20 = madd(x, b0, c20); c21 = madd(x, b1, c21);
    x = v128.load32_splat(a + a3);
    c30 = madd(x, b0, c30); c31 = madd(x, b1, c31);
    a += 4;
    b += ldb;
  }
  v128.store(c, c00); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30); v128.store(c, c31, 16);
}

/** The same for one row. */
function rows1(k: i32, a: usize, b: usize, ldb: usize, c: usize, add: bool): void {
  let c0 = f32x4.splat(0), c1 = c0;
  if (add) {
    c0 = v128.load(c); c1 = v128.load(c, 16);
  }
  const end = a + <usize>k * 4;
  while (a < end) {
    const x = v128.load32_splat(a);
    c0 = madd(x, v128.load(b), c0);
    c1 = madd(x, v128.load(b, 16), c1);
    a += 4;
    b += ldb;
  }
  v128.store(c, c0); v128.store(c, c1, 16);
}

/** c [6, 8] += Σ_l a_l[r] b_l; a lies in rows of 6, `lda` bytes apart. */
export function columns6(k: i32, a: usize, lda: usize, b: usize, ldb: usize, c: usize, ldc: usize): void {
  let p = c;
  let c00 = v128.load(p), c01 = v128.load(p, 16); p += ldc;
  let c10 = v128.load(p), c11 = v128.load(p, 16); p += ldc;
  let c20 = v128.load(p), c21 = v128.load(p, 16); p += ldc;
  let c30 = v128.load(p), c31 = v128.load(p, 16); p += ldc;
  let c40 = v128.load(p), c41 = v128.load(p, 16); p += ldc;
  let c50 = v128.load(p), c51 = v128.load(p, 16);
  const end = a + <usize>k * lda;
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
    a += lda;
    b += ldb;
  }
  v128.store(c, c00); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30); v128.store(c, c31, 16); c += ldc;
  v128.store(c, c40); v128.store(c, c41, 16); c += ldc;
  v128.store(c, c50); v128.store(c, c51, 16);
}

/** The same for 4 rows. */
export function columns4(k: i32, a: usize, lda: usize, b: usize, ldb: usize, c: usize, ldc: usize): void {
  let p = c;
  let c00 = v128.load(p), c01 = v128.load(p, 16); p += ldc;
  let c10 = v128.load(p), c11 = v128.load(p, 16); p += ldc;
  let c20 = v128.load(p), c21 = v128.load(p, 16); p += ldc;
  let c30 = v128.load(p), c31 = v128.load(p, 16);
  const end = a + <usize>k * lda;
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
    a += lda;
    b += ldb;
  }
  v128.store(c, c00); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30); v128.store(c, c31, 16);
}

/** 8 columns of c [n, …] = a [n, k] b, or added to them. */
export function rows(n: i32, k: i32, a: usize, aRow: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool): void {
  if (tileRows() === 6) {
    for (; n >= 6; n -= 6) {
      rows6(k, a, aRow, b, ldb, c, ldc, add);
      a += aRow * 6;
      c += ldc * 6;
    }
  }
  for (; n >= 4; n -= 4) {
    rows4(k, a, aRow, b, ldb, c, ldc, add);
    a += aRow * 4;
    c += ldc * 4;
  }
  for (; n > 0; n--) {
    rows1(k, a, b, ldb, c, add);
    a += aRow;
    c += ldc;
  }
}

/** c [n, ldb / 4] += a [n, k] b, rows of b and c padded to eights. */
export function addRows(n: i32, k: i32, a: usize, aRow: usize, b: usize, ldb: usize, c: usize): void {
  for (let d: usize = 0; d < ldb; d += 32) rows(n, k, a, aRow, b + d, ldb, c + d, ldb, true);
}

/** dst [n, padded] = src [n, width]; `padded` is width rounded up to eights, what is more is 0. Strides in bytes. */
export function copyRows(dst: usize, n: i32, width: i32, padded: i32, src: usize, step: usize): void {
  for (let r = 0; r < n; r++) {
    copyRow(dst, width, padded, src);
    dst += <usize>padded * 4;
    src += step;
  }
}

/** One such row. */
export function copyRow(dst: usize, width: i32, padded: i32, src: usize): void {
  const bytes = <usize>width * 4;
  let d: usize = 0;
  for (; d + 16 <= bytes; d += 16) v128.store(dst + d, v128.load(src + d));
  for (; d < bytes; d += 4) f32.store(dst + d, f32.load(src + d));
  for (; d < <usize>padded * 4; d += 4) f32.store(dst + d, 0);
}

/** Columns 0 … 3 of dst [width, …], rows `ld` bytes apart, = factor · the rows at r0 … r3, turned. */
export function turn4(dst: usize, ld: usize, width: i32, factor: f32, r0: usize, r1: usize, r2: usize, r3: usize): void {
  const by = f32x4.splat(factor);
  let d: usize = 0;
  const bytes = <usize>width * 4;
  for (; d + 16 <= bytes; d += 16) {
    const x0 = v128.load(r0 + d);
    const x1 = v128.load(r1 + d);
    const x2 = v128.load(r2 + d);
    const x3 = v128.load(r3 + d);
    const t0 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5);
    const t1 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7);
    const t2 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5);
    const t3 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7);
    v128.store(dst, f32x4.mul(by, v128.shuffle<f64>(t0, t2, 0, 2)));
    v128.store(dst + ld, f32x4.mul(by, v128.shuffle<f64>(t0, t2, 1, 3)));
    v128.store(dst + 2 * ld, f32x4.mul(by, v128.shuffle<f64>(t1, t3, 0, 2)));
    v128.store(dst + 3 * ld, f32x4.mul(by, v128.shuffle<f64>(t1, t3, 1, 3)));
    dst += 4 * ld;
  }
  for (; d < bytes; d += 4) {
    let x = v128.load32_zero(r0 + d);
    x = v128.load32_lane(r1 + d, x, 1);
    x = v128.load32_lane(r2 + d, x, 2);
    x = v128.load32_lane(r3 + d, x, 3);
    v128.store(dst, f32x4.mul(by, x));
    dst += ld;
  }
}
