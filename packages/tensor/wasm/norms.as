// layerNorm and rmsNorm along the last axis, forward and backward. Means are taken in double; a mean is subtracted
// as two f32, so that a large common offset costs no digits.
import { madd } from './memory';

@inline
function widen(s: v128, v: v128): v128 {
  return f64x2.add(s, f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 1))));
}

@inline
function total(s: v128): f64 {
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

/** One element in the first place, 0 behind it: the ends of rows go through the same operations. */
@inline
function load(p: usize, whole: bool): v128 {
  return whole ? v128.load(p) : v128.load32_zero(p);
}

@inline
function store(p: usize, v: v128, whole: bool): void {
  if (whole) v128.store(p, v);
  else v128.store32_lane(p, v, 0);
}

function meanOf(x: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = s0;
  const bytes = <usize>n * 4;
  let i: usize = 0;
  for (; i + 32 <= bytes; i += 32) {
    s0 = widen(s0, v128.load(x + i));
    s1 = widen(s1, v128.load(x + i, 16));
  }
  for (; i < bytes; i += 4) s0 = widen(s0, v128.load32_zero(x + i));
  return total(f64x2.add(s0, s1)) / <f64>n;
}

/** s + the squares of four floats, in double: they neither overflow nor vanish. */
@inline
function squares(s: v128, v: v128): v128 {
  const a = f64x2.promote_low_f32x4(v);
  const b = f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 1));
  return f64x2.add(s, f64x2.add(f64x2.mul(a, a), f64x2.mul(b, b)));
}

/** Mean of (x − high − low)². */
function meanSquare(x: usize, n: i32, high: f32, low: f32): f64 {
  const h = f32x4.splat(high), l = f32x4.splat(low);
  const end = x + <usize>n * 4;
  let q0 = f64x2.splat(0), q1 = q0;
  for (; x + 32 <= end; x += 32) {
    q0 = squares(q0, f32x4.sub(f32x4.sub(v128.load(x), h), l));
    q1 = squares(q1, f32x4.sub(f32x4.sub(v128.load(x, 16), h), l));
  }
  let rest = total(f64x2.add(q0, q1));
  for (; x < end; x += 4) {
    const a = <f64>(f32.load(x) - high - low);
    rest += a * a;
  }
  return rest / <f64>n;
}

/** y = (x − mean) / √(var + eps) w + b; centre: 0 leaves the mean where it is (rmsNorm). w and b may be 0: none. */
export function normRows(y: usize, x: usize, n: i32, rows: i32, w: usize, b: usize, eps: f64, centre: bool): void {
  const bytes = <usize>n * 4;
  const whole = bytes & ~15;
  for (let r = 0; r < rows; r++) {
    const mean: f64 = centre ? meanOf(x, n) : 0;
    const high = <f32>mean;
    const low = <f32>(mean - <f64>high);
    const scale = f32x4.splat(<f32>(1 / sqrt(meanSquare(x, n, high, low) + eps)));
    const h = f32x4.splat(high), l = f32x4.splat(low);
    if (w !== 0 && b !== 0) {
      for (let i: usize = 0; i < whole; i += 16) {
        const unit = f32x4.mul(f32x4.sub(f32x4.sub(v128.load(x + i), h), l), scale);
        v128.store(y + i, madd(unit, v128.load(w + i), v128.load(b + i)));
      }
    } else if (w !== 0) {
      for (let i: usize = 0; i < whole; i += 16) {
        const unit = f32x4.mul(f32x4.sub(f32x4.sub(v128.load(x + i), h), l), scale);
        v128.store(y + i, f32x4.mul(unit, v128.load(w + i)));
      }
    }
    for (let i = w !== 0 ? whole : 0; i < bytes;) {
      const four = i + 16 <= bytes;
      let v = f32x4.mul(f32x4.sub(f32x4.sub(load(x + i, four), h), l), scale);
      if (w !== 0 && b !== 0) v = madd(v, load(w + i, four), load(b + i, four));
      else if (w !== 0) v = f32x4.mul(v, load(w + i, four));
      else if (b !== 0) v = f32x4.add(v, load(b + i, four));
      store(y + i, v, four);
      i += four ? 16 : 4;
    }
    x += bytes;
    y += bytes;
  }
}

/** Adds four products to four sums in double. */
@inline
function addTo(acc: usize, v: v128, whole: bool): void {
  if (whole) {
    v128.store(acc, f64x2.add(v128.load(acc), f64x2.promote_low_f32x4(v)));
    v128.store(acc, f64x2.add(v128.load(acc, 16), f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 1))), 16);
  } else f64.store(acc, f64.load(acc) + <f64>f32x4.extract_lane(v, 0));
}

/**
 * Backward: dx, and the sums of g · unit at dw and, when centred, of g at db, both in double and cleared before.
 * dx = scale (g w − mean(g w) − unit mean(g w · unit)).
 */
export function normGradRows(
  dx: usize, x: usize, g: usize, n: i32, rows: i32, w: usize, eps: f64, centre: bool, dw: usize, db: usize,
): void {
  const bytes = <usize>n * 4;
  memory.fill(dw, 0, 2 * bytes);
  if (centre) memory.fill(db, 0, 2 * bytes);
  for (let r = 0; r < rows; r++) {
    const mean: f64 = centre ? meanOf(x, n) : 0;
    const high = <f32>mean;
    const low = <f32>(mean - <f64>high);
    const factor = 1 / sqrt(meanSquare(x, n, high, low) + eps);
    const scale = f32x4.splat(<f32>factor);
    const h = f32x4.splat(high), l = f32x4.splat(low);
    let sum = f64x2.splat(0), dot = sum;
    for (let i: usize = 0; i < bytes;) {
      const four = i + 16 <= bytes;
      let unit = f32x4.mul(f32x4.sub(f32x4.sub(load(x + i, four), h), l), scale);
      const v = load(g + i, four);
      const gw = w === 0 ? v : f32x4.mul(v, load(w + i, four));
      const product = f32x4.mul(gw, unit);
      // Behind the end of a row g is 0, and so are its products.
      if (centre) sum = widen(sum, gw);
      dot = widen(dot, product);
      addTo(dw + 2 * i, f32x4.mul(v, unit), four);
      if (centre) addTo(db + 2 * i, v, four);
      i += four ? 16 : 4;
    }
    const s = f32x4.splat(<f32>(total(sum) / <f64>n));
    const d = f32x4.splat(<f32>(total(dot) / <f64>n));
    for (let i: usize = 0; i < bytes;) {
      const four = i + 16 <= bytes;
      const unit = f32x4.mul(f32x4.sub(f32x4.sub(load(x + i, four), h), l), scale);
      const v = load(g + i, four);
      const gw = w === 0 ? v : f32x4.mul(v, load(w + i, four));
      store(dx + i, f32x4.mul(scale, f32x4.sub(f32x4.sub(gw, s), f32x4.mul(unit, d))), four);
      i += four ? 16 : 4;
    }
    x += bytes;
    g += bytes;
    dx += bytes;
  }
}
