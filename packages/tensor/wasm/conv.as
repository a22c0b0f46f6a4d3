// Depthwise convolution: every channel with a filter of its own.
import { madd } from './memory';

/**
 * o[r, c] = Σ_tap x[r, tap, c] w[tap, c] for n channels side by side; distances of x in bytes, w and o dense.
 */
export function depthwiseRows(
  o: usize, x: usize, xRow: i32, xTap: i32, w: usize, taps: i32, n: i32, rows: i32,
): void {
  const bytes = <usize>n * 4;
  for (let r = 0; r < rows; r++) {
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      let s0 = f32x4.splat(0), s1 = s0;
      let p = x + i, q = w + i;
      for (let t = 0; t < taps; t++) {
        s0 = madd(v128.load(p), v128.load(q), s0);
        s1 = madd(v128.load(p, 16), v128.load(q, 16), s1);
        p += <usize>xTap;
        q += bytes;
      }
      v128.store(o + i, s0);
      v128.store(o + i, s1, 16);
    }
    for (; i < bytes; i += 4) {
      let s = f32x4.splat(0);
      let p = x + i, q = w + i;
      for (let t = 0; t < taps; t++) {
        s = madd(v128.load32_zero(p), v128.load32_zero(q), s);
        p += <usize>xTap;
        q += bytes;
      }
      v128.store32_lane(o + i, s, 0);
    }
    o += bytes;
    x += <usize>xRow;
  }
}

/** acc[c] += Σ_r x[r, c] y[r, c] over all rows, in double; distances in bytes. */
export function productRowsTo(acc: usize, x: usize, xRow: i32, y: usize, yRow: i32, n: i32, rows: i32): void {
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    let s0 = v128.load(acc), s1 = v128.load(acc, 16), s2 = v128.load(acc, 32), s3 = v128.load(acc, 48);
    let p = x, q = y;
    for (let r = 0; r < rows; r++) {
      const a = f32x4.mul(v128.load(p), v128.load(q));
      const b = f32x4.mul(v128.load(p, 16), v128.load(q, 16));
      s0 = f64x2.add(s0, f64x2.promote_low_f32x4(a));
      s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f64>(a, a, 1, 1)));
      s2 = f64x2.add(s2, f64x2.promote_low_f32x4(b));
      s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.shuffle<f64>(b, b, 1, 1)));
      p += <usize>xRow;
      q += <usize>yRow;
    }
    v128.store(acc, s0);
    v128.store(acc, s1, 16);
    v128.store(acc, s2, 32);
    v128.store(acc, s3, 48);
    acc += 64;
    x += 32;
    y += 32;
  }
  for (; j < n; j++) {
    let s = f64.load(acc);
    let p = x, q = y;
    for (let r = 0; r < rows; r++) {
      s += <f64>(f32.load(p) * f32.load(q));
      p += <usize>xRow;
      q += <usize>yRow;
    }
    f64.store(acc, s);
    acc += 8;
    x += 4;
    y += 4;
  }
}
