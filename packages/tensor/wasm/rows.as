// Kernels along the last axis: softmax and its kin, norms; and sums over axes.
import { madd } from './memory';
import { expLow, log } from './functions';

/** Largest of n ≥ 1 elements; NaN when one is. */
function rowMax(x: usize, n: i32): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    m0 = f32x4.max(m0, v128.load(x));
    m1 = f32x4.max(m1, v128.load(x, 16));
    x += 32;
  }
  m0 = f32x4.max(m0, m1);
  for (; i < n; i++) {
    m0 = f32x4.max(m0, v128.load32_splat(x));
    x += 4;
  }
  m0 = f32x4.max(m0, v128.shuffle<f32>(m0, m0, 2, 3, 0, 1));
  m0 = f32x4.max(m0, v128.shuffle<f32>(m0, m0, 1, 0, 3, 2));
  return f32x4.extract_lane(m0, 0);
}

/** The same for softmax, where NaN shows itself in the sum; twice as fast. */
function rowTop(x: usize, n: i32): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let p = x;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    m0 = f32x4.pmax(m0, v128.load(p));
    m1 = f32x4.pmax(m1, v128.load(p, 16));
    p += 32;
  }
  m0 = f32x4.pmax(m0, m1);
  for (; i < n; i++) {
    m0 = f32x4.pmax(m0, v128.load32_splat(p));
    p += 4;
  }
  m0 = f32x4.pmax(m0, v128.shuffle<f32>(m0, m0, 2, 3, 0, 1));
  m0 = f32x4.pmax(m0, v128.shuffle<f32>(m0, m0, 1, 0, 3, 2));
  const top = f32x4.extract_lane(m0, 0);
  // A row of only −∞ and NaN must not pass for one of −∞.
  return top === -Infinity ? rowMax(x, n) : top;
}

/** Sum of the four elements in double. */
@inline
function total(s: v128): f64 {
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

/** s + both halves of four floats, in double. */
@inline
function widen(s: v128, v: v128): v128 {
  return f64x2.add(s, f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 1))));
}

/** Σ e^(x − m); with `store` the terms go to o. Sums of up to 64 terms in f32, these in double. */
@inline
function expSum(o: usize, x: usize, n: i32, m: f32, store: bool): f64 {
  const shift = f32x4.splat(m);
  let sum = f64x2.splat(0);
  const whole = n & ~3;
  let i = 0;
  while (i < whole) {
    const end = min(whole, i + 64);
    let s0 = f32x4.splat(0);
    let s1 = s0;
    for (; i + 8 <= end; i += 8) {
      const e0 = expLow(f32x4.sub(v128.load(x), shift));
      const e1 = expLow(f32x4.sub(v128.load(x, 16), shift));
      if (store) {
        v128.store(o, e0);
        v128.store(o, e1, 16);
        o += 32;
      }
      s0 = f32x4.add(s0, e0);
      s1 = f32x4.add(s1, e1);
      x += 32;
    }
    if (i < end) {
      const e0 = expLow(f32x4.sub(v128.load(x), shift));
      if (store) {
        v128.store(o, e0);
        o += 16;
      }
      s0 = f32x4.add(s0, e0);
      x += 16;
      i += 4;
    }
    sum = widen(sum, f32x4.add(s0, s1));
  }
  let rest = total(sum);
  for (; i < n; i++) {
    const e = f32x4.extract_lane(expLow(f32x4.sub(v128.load32_splat(x), shift)), 0);
    if (store) {
      f32.store(o, e);
      o += 4;
    }
    rest += <f64>e;
    x += 4;
  }
  return rest;
}

@inline
function scale(o: usize, n: i32, by: f32): void {
  const v = f32x4.splat(by);
  const end = o + <usize>(n & ~3) * 4;
  const stop = o + <usize>n * 4;
  for (; o < end; o += 16) v128.store(o, f32x4.mul(v128.load(o), v));
  for (; o < stop; o += 4) f32.store(o, f32.load(o) * by);
}

/** Largest element of a row that is not NaN; −∞ for an empty one. */
export function maxOf(x: usize, n: i32): f32 {
  return rowTop(x, n);
}

/** Σ e^(x − m) of a row. */
export function expSumOf(x: usize, n: i32, m: f32): f64 {
  return expSum(0, x, n, m, false);
}

/** o = e^(x − m) of a row, and the sum. */
export function expStoreOf(o: usize, x: usize, n: i32, m: f32): f64 {
  return expSum(o, x, n, m, true);
}

/** o *= by. */
export function scaleOf(o: usize, n: i32, by: f32): void {
  scale(o, n, by);
}

/** Rows of n: e^(x − max) / Σ; zeros for a row of only −∞. */
export function softmaxRows(o: usize, x: usize, n: i32, rows: i32): void {
  const bytes = <usize>n * 4;
  for (let r = 0; r < rows; r++) {
    const m = rowTop(x, n);
    if (m === -Infinity) memory.fill(o, 0, bytes);
    else scaleOf(o, n, <f32>(1 / expStoreOf(o, x, n, m)));
    x += bytes;
    o += bytes;
  }
}

/** log of one number. */
@inline
function logOf(x: f64): f32 {
  return f32x4.extract_lane(log(f32x4.splat(<f32>x)), 0);
}

/** log Σ e^x of each row: max + log Σ e^(x − max), or the maximum where that is not finite; NaN beside ∞ is NaN. */
export function logSumExpRows(o: usize, x: usize, n: i32, rows: i32): void {
  for (let r = 0; r < rows; r++) {
    const m = rowTop(x, n);
    f32.store(o, abs(m) === Infinity ? rowMax(x, n) : m + logOf(expSumOf(x, n, m)));
    x += <usize>n * 4;
    o += 4;
  }
}

/** x − max − log Σ e^(x − max) of each row; −∞ for a row of only −∞. */
export function logSoftmaxRows(o: usize, x: usize, n: i32, rows: i32): void {
  const bytes = <usize>n * 4;
  for (let r = 0; r < rows; r++) {
    const m = rowTop(x, n);
    // ∞ − ∞ makes a row with ∞ NaN; one of only −∞ stays.
    const finite = m === -Infinity ? <f32>0 : m;
    const l = m === -Infinity ? <f32>0 : logOf(expSumOf(x, n, finite));
    const vm = f32x4.splat(finite);
    const vl = f32x4.splat(l);
    let i: usize = 0;
    for (; i < (bytes & ~15); i += 16) v128.store(o + i, f32x4.sub(f32x4.sub(v128.load(x + i), vm), vl));
    for (; i < bytes; i += 4) f32.store(o + i, f32.load(x + i) - finite - l);
    x += bytes;
    o += bytes;
  }
}

/** y (g − Σ y g) for each row; the sum in double. */
export function softmaxGradRows(o: usize, y: usize, g: usize, n: i32, rows: i32): void {
  const bytes = <usize>n * 4;
  const whole = <usize>(n & ~3) * 4;
  for (let r = 0; r < rows; r++) {
    let sum = f64x2.splat(0);
    let i: usize = 0;
    for (; i < whole; i += 16) {
      const a = v128.load(y + i);
      const b = v128.load(g + i);
      sum = f64x2.add(sum, f64x2.mul(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b)));
      const c = v128.shuffle<f64>(a, a, 1, 1);
      const d = v128.shuffle<f64>(b, b, 1, 1);
      sum = f64x2.add(sum, f64x2.mul(f64x2.promote_low_f32x4(c), f64x2.promote_low_f32x4(d)));
    }
    let dot = total(sum);
    for (; i < bytes; i += 4) dot += <f64>f32.load(y + i) * <f64>f32.load(g + i);
    const v = f32x4.splat(<f32>dot);
    for (i = 0; i < whole; i += 16) {
      v128.store(o + i, f32x4.mul(v128.load(y + i), f32x4.sub(v128.load(g + i), v)));
    }
    for (; i < bytes; i += 4) f32.store(o + i, f32.load(y + i) * (f32.load(g + i) - <f32>dot));
    y += bytes;
    g += bytes;
    o += bytes;
  }
}

/** acc[r] += Σ of n elements, in double; rows of x and of acc at distances of xRow and accRow bytes. */
export function sumRows(acc: usize, accRow: i32, x: usize, xRow: i32, n: i32, rows: i32): void {
  const whole = n & ~7;
  for (let r = 0; r < rows; r++) {
    let s0 = f64x2.splat(0);
    let s1 = s0;
    let p = x;
    let i = 0;
    for (; i < whole; i += 8) {
      s0 = widen(s0, v128.load(p));
      s1 = widen(s1, v128.load(p, 16));
      p += 32;
    }
    let sum = total(f64x2.add(s0, s1));
    for (; i < n; i++) {
      sum += <f64>f32.load(p);
      p += 4;
    }
    f64.store(acc, f64.load(acc) + sum);
    acc += <usize>accRow;
    x += <usize>xRow;
  }
}

/** acc[i] += x[r, i] over all rows in their order, in double. */
export function addRowsTo(acc: usize, x: usize, xRow: i32, n: i32, rows: i32): void {
  const whole = n & ~7;
  let j = 0;
  // Eight sums at a time stay in registers while the rows go by.
  for (; j < whole; j += 8) {
    let s0 = v128.load(acc);
    let s1 = v128.load(acc, 16);
    let s2 = v128.load(acc, 32);
    let s3 = v128.load(acc, 48);
    let p = x;
    for (let r = 0; r < rows; r++) {
      const a = v128.load(p);
      const b = v128.load(p, 16);
      s0 = f64x2.add(s0, f64x2.promote_low_f32x4(a));
      s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f64>(a, a, 1, 1)));
      s2 = f64x2.add(s2, f64x2.promote_low_f32x4(b));
      s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.shuffle<f64>(b, b, 1, 1)));
      p += <usize>xRow;
    }
    v128.store(acc, s0);
    v128.store(acc, s1, 16);
    v128.store(acc, s2, 32);
    v128.store(acc, s3, 48);
    acc += 64;
    x += 32;
  }
  for (; j < n; j++) {
    let sum = f64.load(acc);
    let p = x;
    for (let r = 0; r < rows; r++) {
      sum += <f64>f32.load(p);
      p += <usize>xRow;
    }
    f64.store(acc, sum);
    acc += 8;
    x += 4;
  }
}

/** acc[r] = max(acc[r], max of n elements), in double. */
export function maxRowsTo(acc: usize, accRow: i32, x: usize, xRow: i32, n: i32, rows: i32): void {
  for (let r = 0; r < rows; r++) {
    f64.store(acc, max(f64.load(acc), <f64>rowMax(x, n)));
    acc += <usize>accRow;
    x += <usize>xRow;
  }
}

/** Running sums of n rows of `inner` elements, `step` bytes apart (negative from the last row on), in double. */
export function cumsumRows(y: usize, x: usize, n: i32, step: i32, inner: i32, exclusive: bool): void {
  let j = 0;
  for (; j + 16 <= inner; j += 16) {
    let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    let p = x;
    let q = y;
    for (let t = 0; t < n; t++) {
      const a = v128.load(p), b = v128.load(p, 16), c = v128.load(p, 32), d = v128.load(p, 48);
      if (exclusive) store16(q, s0, s1, s2, s3, s4, s5, s6, s7);
      s0 = f64x2.add(s0, f64x2.promote_low_f32x4(a));
      s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f64>(a, a, 1, 1)));
      s2 = f64x2.add(s2, f64x2.promote_low_f32x4(b));
      s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.shuffle<f64>(b, b, 1, 1)));
      s4 = f64x2.add(s4, f64x2.promote_low_f32x4(c));
      s5 = f64x2.add(s5, f64x2.promote_low_f32x4(v128.shuffle<f64>(c, c, 1, 1)));
      s6 = f64x2.add(s6, f64x2.promote_low_f32x4(d));
      s7 = f64x2.add(s7, f64x2.promote_low_f32x4(v128.shuffle<f64>(d, d, 1, 1)));
      if (!exclusive) store16(q, s0, s1, s2, s3, s4, s5, s6, s7);
      p += <usize>step;
      q += <usize>step;
    }
    x += 64;
    y += 64;
  }
  for (; j + 4 <= inner; j += 4) {
    let s0 = f64x2.splat(0), s1 = s0;
    let p = x;
    let q = y;
    for (let t = 0; t < n; t++) {
      const a = v128.load(p);
      if (exclusive) store4(q, s0, s1);
      s0 = f64x2.add(s0, f64x2.promote_low_f32x4(a));
      s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f64>(a, a, 1, 1)));
      if (!exclusive) store4(q, s0, s1);
      p += <usize>step;
      q += <usize>step;
    }
    x += 16;
    y += 16;
  }
  for (; j < inner; j++) {
    let sum: f64 = 0;
    let p = x;
    let q = y;
    for (let t = 0; t < n; t++) {
      const v = <f64>f32.load(p);
      if (exclusive) f32.store(q, <f32>sum);
      sum += v;
      if (!exclusive) f32.store(q, <f32>sum);
      p += <usize>step;
      q += <usize>step;
    }
    x += 4;
    y += 4;
  }
}

@inline
function store4(q: usize, a: v128, b: v128): void {
  v128.store(q, v128.shuffle<f64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2));
}

@inline
function store16(q: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128, h: v128): void {
  store4(q, a, b);
  store4(q + 16, c, d);
  store4(q + 32, e, f);
  store4(q + 48, g, h);
}

/**
 * h_t = a_t h_{t−1} + x_t for n elements side by side over T rows; steps of a row in bytes, of elements in bytes for a.
 * The first row of h is there already.
 */
export function recurRows(h: usize, hRow: i32, a: usize, aRow: i32, aStep: i32, x: usize, xRow: i32, n: i32, T: i32): void {
  if (n >= 64 && (aStep === 4 || aStep === 0)) {
    // Wide rows go by whole, so that memory is read in its order.
    const whole = <usize>(n & ~3) * 4;
    let q = h, p = a, r = x;
    for (let t = 1; t < T; t++) {
      const last = q;
      q += <usize>hRow;
      p += <usize>aRow;
      r += <usize>xRow;
      if (aStep === 4) {
        for (let i: usize = 0; i < whole; i += 16) {
          v128.store(q + i, madd(v128.load(p + i), v128.load(last + i), v128.load(r + i)));
        }
      } else {
        const f = v128.load32_splat(p);
        for (let i: usize = 0; i < whole; i += 16) v128.store(q + i, madd(f, v128.load(last + i), v128.load(r + i)));
      }
    }
    h += whole;
    x += whole;
    if (aStep === 4) a += whole;
    n &= 3;
  }
  let j = 0;
  if (aStep === 4 || aStep === 0) {
    for (; j + 4 <= n; j += 4) {
      let s = v128.load(h);
      let q = h;
      let p = a;
      let r = x;
      for (let t = 1; t < T; t++) {
        q += <usize>hRow;
        p += <usize>aRow;
        r += <usize>xRow;
        const f = aStep === 0 ? v128.load32_splat(p) : v128.load(p);
        s = madd(f, s, v128.load(r));
        v128.store(q, s);
      }
      h += 16;
      x += 16;
      a += <usize>(aStep * 4);
    }
  }
  for (; j < n; j++) {
    let s = v128.load32_zero(h);
    let q = h;
    let p = a;
    let r = x;
    for (let t = 1; t < T; t++) {
      q += <usize>hRow;
      p += <usize>aRow;
      r += <usize>xRow;
      s = madd(v128.load32_zero(p), s, v128.load32_zero(r));
      v128.store32_lane(q, s, 0);
    }
    h += 4;
    x += 4;
    a += <usize>aStep;
  }
}
