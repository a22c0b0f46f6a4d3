// What the time loops share. All numbers are f32; masks hold a byte for each position.
import { gemm, gemmPacked } from '../../tensor/wasm/tensor';

/** Four neighbouring numbers, or the first one alone. */
@inline
export function get(p: usize, one: bool): v128 {
  return one ? v128.load32_zero(p) : v128.load(p);
}

@inline
export function put(p: usize, v: v128, one: bool): void {
  if (one) v128.store32_lane(p, v, 0);
  else v128.store(p, v);
}

/** Bytes that the next turn of a loop takes of those that are left. */
@inline
export function turnOf(left: usize): usize {
  return left < 16 ? 4 : 16;
}

@inline
export function isSet(mask: usize, i: i32): bool {
  return mask !== 0 && load<u8>(mask + i) !== 0;
}

@inline
export function isClear(mask: usize, i: i32): bool {
  return mask !== 0 && load<u8>(mask + i) === 0;
}

/** out [B, N] = h [B, K] Wᵀ with W packed, or as it lies [N, K]: the bits are the same. */
export function times(out: usize, h: usize, panels: usize, weight: usize, B: i32, N: i32, K: i32): void {
  if (panels !== 0) gemmPacked(B, N, K, h, K, 1, panels, out, N, false);
  else gemm(B, N, K, h, K, 1, weight, 1, K, out, N, false);
}

/** back [B, K] = rows of da at one position, `step` numbers apart, times W [N, K] packed. */
export function timesTurned(back: usize, da: usize, step: i32, panels: usize, B: i32, N: i32, K: i32): void {
  gemmPacked(B, K, N, da, step, 1, panels, back, K, false);
}

/** carry [n] += back, or what `hold` and `cleared` leave of it. */
export function goOn(carry: usize, back: usize, n: i32, add: bool, cleared: bool): void {
  const bytes = <usize>n * 4;
  if (cleared) {
    memory.fill(carry, 0, bytes);
    return;
  }
  for (let j: usize = 0; j < bytes; j += turnOf(bytes - j)) {
    const one = bytes - j < 16;
    const b = get(back + j, one);
    put(carry + j, add ? f32x4.add(get(carry + j, one), b) : b, one);
  }
}
