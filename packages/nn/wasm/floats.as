// Rows of floats and what is done to them. Addresses are those of f32, widths are counted in elements.
import { exp } from '../../tensor/wasm/functions';

/** The first multiple of 4 that is not less. */
@inline
export function padded(n: i32): i32 {
  return (n + 3) & ~3;
}

/** n floats from one place to another. */
@inline
export function copyRow(to: usize, from: usize, n: i32): void {
  memory.copy(to, from, <usize>n << 2);
}

/** n floats, then zeros up to `width`. */
@inline
export function copyPadded(to: usize, from: usize, n: i32, width: i32): void {
  copyRow(to, from, n);
  memory.fill(to + (<usize>n << 2), 0, <usize>(width - n) << 2);
}

/** Rows of n floats that lie `stride` bytes apart, one after the other, each with zeros up to `width`. */
export function gatherRows(to: usize, from: usize, rows: i32, n: i32, width: i32, stride: usize): void {
  for (let i = 0; i < rows; i++, to += <usize>width << 2, from += stride) copyPadded(to, from, n, width);
}

/** The sum of the four elements. */
@inline
export function total(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Factors e^g of a position for all K channels, from one log-decay or from K of them. Writes up to 3 elements more. */
export function factors(to: usize, g: usize, K: i32, perKey: bool): void {
  const one = exp(v128.load32_splat(g));
  const end = <usize>K << 2;
  for (let i: usize = 0; i < end; i += 16) {
    if (!perKey) v128.store(to + i, one);
    else if (i + 16 <= end) v128.store(to + i, exp(v128.load(g + i)));
    else for (let j = i; j < end; j += 4) v128.store32_lane(to + j, exp(v128.load32_splat(g + j)), 0);
  }
}

/** n ones. */
export function ones(to: usize, n: i32): void {
  for (const end = to + (<usize>n << 2); to < end; to += 4) f32.store(to, 1);
}
