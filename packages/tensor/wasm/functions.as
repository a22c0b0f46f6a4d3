// Elementary functions on four f32 at a time. Error bounds, in units of the last place, are asserted by the tests.
import { madd } from './memory';

/** A constant in all four places. From memory it costs one instruction, written out it costs four in some engines. */
@inline
function at(p: usize): v128 {
  return v128.load32_splat(p);
}

@inline
function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** e^r = 1 + r + r² (…), relative error 3e-9 on |r| ≤ ln 2 / 2. */
const EXP: usize = memory.data<f32>([0.0013814221760356012, 0.00836889868007671, 0.041668405723973276, 0.16666519130024365, 0.4999999334643244]);
/** tanh x = x + x³ (…) in z = x² for |x| ≤ 0.625. */
const TANH: usize = memory.data<f32>([-0.005717044510925655, 0.02065058678425899, -0.053743497915953814, 0.13331491284918418, -0.3333328392520578]);
/** e^a² erfc a in u = 1 / (a + 2) for 1 ≤ a ≤ 10. */
const ERFC: usize = memory.data<f32>([19.874796327191053, -22.388447624341268, 0.7455179942296682, 3.686107667671677, 2.4585659757424256, 2.0333997989996275, 1.123157983212638, 0.5644358970021635, -4.826425327716468e-6]);
/** erf(x) / x in z = x² for |x| ≤ 1. */
const ERF: usize = memory.data<f32>([7.85386082391426e-5, -0.0008010193465457227, 0.005188327667612777, -0.026853811925783455, 0.11283585148386863, -0.3761262582421292, 1.1283791657267055]);
/** artanh s = s + s³ (…) in z = s² for s ≤ 1/3. */
const ATANH: usize = memory.data<f32>([0.14073741316811497, 0.13987941888675737, 0.2001150008651154, 0.33333196491760086]);
/** The same for s ≤ 0.1716. */
const LOG: usize = memory.data<f32>([0.14936076780449167, 0.19988763510539242, 0.3333338824388553]);
const ONE: usize = memory.data<f32>([1]);
const TWO: usize = memory.data<f32>([2]);
const HALF: usize = memory.data<f32>([0.5]);
/** Below this e^x is 0 when subnormals are left out. */
const LOW: usize = memory.data<f32>([-88.1]);
/** Below this e^x is 0. */
const LOWEST: usize = memory.data<f32>([-105]);
/** From here on e^x is ∞. */
const HIGHEST: usize = memory.data<f32>([89]);
const LOG2E: usize = memory.data<f32>([1.4426950408889634]);
/** 1.5 · 2^23 + 127: adding it rounds to an integer and leaves the exponent bits of 2^n at the bottom. */
const ROUND: usize = memory.data<f32>([12583039]);
/** ln 2 in two parts; multiples of the first by numbers of 8 bits are exact, fused or not. */
const LN2_HIGH: usize = memory.data<f32>([0.693359375]);
const LN2_LOW: usize = memory.data<f32>([-2.12194440e-4]);
const MINUS_LN2_HIGH: usize = memory.data<f32>([-0.693359375]);
const MINUS_LN2_LOW: usize = memory.data<f32>([2.12194440e-4]);
const THIRTY: usize = memory.data<f32>([30]);
const TANH_SMALL: usize = memory.data<f32>([0.625]);
const TEN: usize = memory.data<f32>([10]);
const ROOT_HALF: usize = memory.data<f32>([0.7071067811865476]);
const MINUS_15: usize = memory.data<f32>([-15]);
const MINUS_120: usize = memory.data<f32>([-120]);
const CUBE: usize = memory.data<f32>([0.044715]);
/** 2 √(2 / π) */
const TWICE_ROOT: usize = memory.data<f32>([1.5957691216057308]);
/** The smallest normal number. */
const NORMAL: usize = memory.data<f32>([1.17549435e-38]);
const TWO_23: usize = memory.data<f32>([8388608]);
const N23: usize = memory.data<f32>([23]);
const BIAS: usize = memory.data<u32>([127]);
/** ROUND as bits. */
const ROUND_BITS: usize = memory.data<u32>([0x4b40007f]);
const SIGN: usize = memory.data<u32>([0x80000000]);
/** √½ as bits. */
const ROOT_HALF_BITS: usize = memory.data<u32>([0x3f3504f3]);

/** e^r on |r| ≤ ln 2 / 2: a polynomial with relative error 3e-9. */
@inline
function expSeries(r: v128): v128 {
  let p = madd(at(EXP), r, at(EXP + 4));
  p = madd(p, r, at(EXP + 8));
  p = madd(p, r, at(EXP + 12));
  p = madd(p, r, at(EXP + 16));
  p = madd(p, r, at(ONE));
  return madd(p, r, at(ONE));
}

/** e^x for x ≤ 89, ∞ from 88.4 on; 0 below −87.7, where results would be subnormal. NaN stays NaN. */
@inline
export function expLow(x: v128): v128 {
  x = f32x4.pmax(x, at(LOW));
  const t = madd(x, at(LOG2E), at(ROUND));
  const n = f32x4.sub(t, at(ROUND));
  const r = madd(n, at(MINUS_LN2_LOW), madd(n, at(MINUS_LN2_HIGH), x));
  return f32x4.mul(expSeries(r), i32x4.shl(t, 23));
}

/** e^x everywhere: subnormal results, 0, ∞ and NaN included. */
@inline
export function exp(x: v128): v128 {
  x = f32x4.pmin(f32x4.pmax(x, at(LOWEST)), at(HIGHEST));
  const t = madd(x, at(LOG2E), at(ROUND));
  const n = f32x4.sub(t, at(ROUND));
  const r = madd(n, at(MINUS_LN2_LOW), madd(n, at(MINUS_LN2_HIGH), x));
  // 2^n as a product of two powers, each within the range of exponents.
  const i = i32x4.sub(t, at(ROUND_BITS));
  const h = i32x4.shr_s(i, 1);
  const first = i32x4.shl(i32x4.add(h, at(BIAS)), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(i, h), at(BIAS)), 23);
  return f32x4.mul(f32x4.mul(expSeries(r), first), second);
}

/** 1 / (1 + e^−x), as e^x / (1 + e^x) for negative x: small results keep their digits. */
@inline
export function sigmoid(x: v128): v128 {
  const e = exp(f32x4.neg(f32x4.abs(x)));
  const top = v128.bitselect(e, at(ONE), f32x4.lt(x, splat(0)));
  return f32x4.div(top, f32x4.add(e, at(ONE)));
}

/** tanh x: an odd polynomial below 0.625, 1 − 2 / (e^2|x| + 1) above. */
@inline
export function tanh(x: v128): v128 {
  const a = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  let p = madd(at(TANH), z, at(TANH + 4));
  p = madd(p, z, at(TANH + 8));
  p = madd(p, z, at(TANH + 12));
  p = madd(p, z, at(TANH + 16));
  const small = madd(f32x4.mul(p, z), x, x);
  const e = expLow(f32x4.pmin(f32x4.add(a, a), at(THIRTY)));
  const large = f32x4.sub(at(ONE), f32x4.div(at(TWO), f32x4.add(e, at(ONE))));
  const value = v128.bitselect(small, large, f32x4.lt(a, at(TANH_SMALL)));
  return v128.or(value, v128.and(x, at(SIGN)));
}

/** erfc a for a ≥ 1: e^−a² times a polynomial in 1 / (a + 2). */
@inline
function erfcTail(a: v128): v128 {
  a = f32x4.pmin(a, at(TEN));
  const u = f32x4.div(at(ONE), f32x4.add(a, at(TWO)));
  let p = madd(at(ERFC), u, at(ERFC + 4));
  p = madd(p, u, at(ERFC + 8));
  p = madd(p, u, at(ERFC + 12));
  p = madd(p, u, at(ERFC + 16));
  p = madd(p, u, at(ERFC + 20));
  p = madd(p, u, at(ERFC + 24));
  p = madd(p, u, at(ERFC + 28));
  p = madd(p, u, at(ERFC + 32));
  return f32x4.mul(p, expLow(f32x4.neg(f32x4.mul(a, a))));
}

/** erf(x) / x for |x| ≤ 1 as a polynomial in z = x². */
@inline
function erfSeries(z: v128): v128 {
  let p = madd(at(ERF), z, at(ERF + 4));
  p = madd(p, z, at(ERF + 8));
  p = madd(p, z, at(ERF + 12));
  p = madd(p, z, at(ERF + 16));
  p = madd(p, z, at(ERF + 20));
  return madd(p, z, at(ERF + 24));
}

@inline
export function erf(x: v128): v128 {
  const a = f32x4.abs(x);
  const small = f32x4.mul(erfSeries(f32x4.mul(x, x)), x);
  const large = v128.or(f32x4.sub(at(ONE), erfcTail(a)), v128.and(x, at(SIGN)));
  return v128.bitselect(small, large, f32x4.lt(a, at(ONE)));
}

/** x (1 + erf(x / √2)) / 2; the tail of negative x keeps its digits. */
@inline
export function gelu(x: v128): v128 {
  const y = f32x4.mul(x, at(ROOT_HALF));
  const a = f32x4.abs(y);
  const small = madd(erfSeries(f32x4.mul(y, y)), y, at(ONE));
  const tail = erfcTail(a);
  const large = v128.bitselect(tail, f32x4.sub(at(TWO), tail), f32x4.lt(y, splat(0)));
  const half = f32x4.mul(x, at(HALF));
  const value = f32x4.mul(half, v128.bitselect(small, large, f32x4.lt(a, at(ONE))));
  // −∞ · 0 would be NaN.
  return v128.bitselect(splat(-0.0), value, f32x4.lt(x, at(MINUS_15)));
}

/** x σ(2 √(2/π) (x + 0.044715 x³)), which is gelu with tanh. */
@inline
export function geluTanh(x: v128): v128 {
  const inner = madd(f32x4.mul(f32x4.mul(x, x), x), at(CUBE), x);
  const value = f32x4.mul(x, sigmoid(f32x4.mul(inner, at(TWICE_ROOT))));
  return v128.bitselect(splat(-0.0), value, f32x4.lt(x, at(MINUS_15)));
}

@inline
export function silu(x: v128): v128 {
  const value = f32x4.mul(x, sigmoid(x));
  return v128.bitselect(splat(-0.0), value, f32x4.lt(x, at(MINUS_120)));
}

/** log(1 + e^x) = max(x, 0) + 2 artanh(e / (2 + e)) with e = e^−|x|. */
@inline
export function softplus(x: v128): v128 {
  const e = exp(f32x4.neg(f32x4.abs(x)));
  const q = f32x4.mul(e, f32x4.div(at(TWO), f32x4.add(e, at(TWO))));
  const s = f32x4.mul(q, at(HALF));
  const z = f32x4.mul(s, s);
  let p = madd(at(ATANH), z, at(ATANH + 4));
  p = madd(p, z, at(ATANH + 8));
  p = madd(p, z, at(ATANH + 12));
  return f32x4.add(f32x4.max(x, splat(0)), madd(f32x4.mul(p, z), q, q));
}

/** Natural logarithm: x = 2^k m with m in [√½, √2), log m = 2 artanh((m − 1) / (m + 1)). */
@inline
export function log(x: v128): v128 {
  const tiny = f32x4.lt(x, at(NORMAL));
  const y = v128.bitselect(f32x4.mul(x, at(TWO_23)), x, tiny);
  const k = i32x4.shr_s(i32x4.sub(y, at(ROOT_HALF_BITS)), 23);
  const m = i32x4.sub(y, i32x4.shl(k, 23));
  const e = f32x4.sub(f32x4.convert_i32x4_s(k), v128.and(tiny, at(N23)));
  const f = f32x4.sub(m, at(ONE));
  const s = f32x4.div(f, f32x4.add(m, at(ONE)));
  const z = f32x4.mul(s, s);
  let p = madd(at(LOG), z, at(LOG + 4));
  p = madd(p, z, at(LOG + 8));
  // 2 s (1 + z p) = f − s (f − 2 z p): the part that is exact comes last.
  const low = f32x4.mul(s, f32x4.sub(f, f32x4.mul(f32x4.add(z, z), p)));
  let value = f32x4.sub(f, f32x4.sub(low, f32x4.mul(e, at(LN2_LOW))));
  value = madd(e, at(LN2_HIGH), value);
  // 0 gives −∞, ∞ stays, negative numbers and NaN give NaN.
  value = v128.bitselect(x, value, f32x4.eq(x, splat(Infinity)));
  value = v128.bitselect(splat(-Infinity), value, f32x4.eq(x, splat(0)));
  return v128.bitselect(value, splat(NaN), f32x4.ge(x, splat(0)));
}
