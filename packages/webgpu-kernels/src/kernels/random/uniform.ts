import type { Draw } from './draw.js';
import { use } from './draw.js';

/** low = 0 and a width that is a power of two: a product without rounding. */
export const plainUniform: Draw = {
  name: 'uniform/plain',
  type: 'f32',
  use: use.numbers,
  params: { scale: 'f32', top: 'f32' },
  form: 'one',
  value: 'min(f32(w >> 8u) * p.scale, p.top)',
};

/**
 * Any bounds, with the bits of the CPU's double precision: low + ⌊width · (w >> 8) / 2²⁴⌋ in integers of 64 bits,
 * rounded to 53 bits and then to the nearest f32.
 */
export const exactUniform: Draw = {
  name: 'uniform/exact',
  type: 'f32',
  use: use.numbers,
  params: { lowHigh: 'u32', lowLow: 'u32', widthHigh: 'u32', widthLow: 'u32', exponent: 'i32', top: 'f32' },
  form: 'one',
  value: 'fixed(w >> 8u)',
  declare: `fn fixed(u: u32) -> f32 {
  let w0 = p.widthLow * u;
  let carried = p.widthHigh * u;
  let w1 = m_mulhi(p.widthLow, u) + carried;
  let w2 = m_mulhi(p.widthHigh, u) + select(0u, 1u, w1 < carried);
  let low = ((w0 >> 24u) | (w1 << 8u)) + p.lowLow;
  var hi = ((w1 >> 24u) | (w2 << 8u)) + p.lowHigh + select(0u, 1u, low < p.lowLow);
  var lo = low;
  let negative = hi >= 0x80000000u;
  if (negative) { lo = 0u - lo; hi = ~hi + select(0u, 1u, lo == 0u); }
  var shift = 0;
  if (hi == 0u) { hi = lo; lo = 0u; shift = 32; }
  if (hi == 0u) { return min(0.0, p.top); }
  let z = countLeadingZeros(hi);
  if (z > 0u) { hi = (hi << z) | (lo >> (32u - z)); lo = lo << z; }
  shift += i32(z);
  // First to 53 bits, as double precision does: products with short decimals often end up halfway.
  let far = lo & 0x7ffu;
  lo -= far;
  if (far > 0x400u || (far == 0x400u && (lo & 0x800u) != 0u)) {
    lo += 0x800u;
    hi += select(0u, 1u, lo == 0u);
    if (hi == 0u) { hi = 0x80000000u; shift -= 1; }
  }
  let rest = hi & 0xffu;
  let m = hi >> 8u;
  let up = rest > 0x80u || (rest == 0x80u && (lo != 0u || (m & 1u) == 1u));
  let y = m_scale(f32(m + select(0u, 1u, up)), p.exponent - shift);
  return min(select(y, -y, negative), p.top);
}`,
};

/** Numbers of `exactUniform` for bounds: fixed point with the unit 2^(e − 61), all bounds below 2^e. */
export function fixedPoint(low: number, high: number): number[] {
  const largest = Math.max(Math.abs(low), Math.abs(high), high - low);
  const e = largest === 0 ? 0 : Math.ceil(Math.log2(largest)) + 1;
  // A product with a power of two below 2^1024 in two exact steps.
  const fixed = (v: number): bigint =>
    BigInt(Math.round(v * 2 ** Math.floor((61 - e) / 2) * 2 ** Math.ceil((61 - e) / 2)));
  const [l, w] = [BigInt.asUintN(64, fixed(low)), BigInt.asUintN(64, fixed(high - low))];
  const part = (v: bigint, shift: bigint): number => Number((v >> shift) & 0xffff_ffffn);
  return [part(l, 32n), part(l, 0n), part(w, 32n), part(w, 0n), 40 + e - 61];
}

/** The greatest f32 below x. */
export function justBelow(x: number): number {
  const value = new Float32Array([x]);
  if (value[0] < x) return value[0];
  if (value[0] === 0) return -(2 ** -149);
  new Int32Array(value.buffer)[0] += value[0] > 0 ? -1 : 1;
  return value[0];
}
