// Four channels side by side, one in each place of a vector.
import { expLow } from '../../tensor/wasm/functions';

/** From here on e^x is ∞. */
const HIGHEST: usize = memory.data<f32>([89]);

/** e^x; 0 where the result would be subnormal. */
@inline
export function decayOf(x: v128): v128 {
  return expLow(f32x4.pmin(x, v128.load32_splat(HIGHEST)));
}

/** Numbers of up to four channels; 0 in the places of those that are not there, and everywhere at address 0. */
@inline
export function load(p: usize, lanes: i32): v128 {
  if (p == 0) return f32x4.splat(0);
  if (lanes == 4) return v128.load(p);
  let v = v128.load32_zero(p);
  if (lanes > 1) v = v128.load32_lane(p + 4, v, 1);
  if (lanes > 2) v = v128.load32_lane(p + 8, v, 2);
  return v;
}

/** Numbers of up to four channels; nowhere at address 0. */
@inline
export function store(p: usize, v: v128, lanes: i32): void {
  if (p == 0) return;
  if (lanes == 4) {
    v128.store(p, v);
    return;
  }
  v128.store32_lane(p, v, 0);
  if (lanes > 1) v128.store32_lane(p + 4, v, 1);
  if (lanes > 2) v128.store32_lane(p + 8, v, 2);
}

/** Where the numbers of channel c begin; 0 stays 0, for what is absent. */
@inline
export function channel(p: usize, c: i32): usize {
  return p == 0 ? 0 : p + 4 * c;
}

/** [lanes, N] as [N, 4], 0 in the places of channels that are not there. */
export function gather(to: usize, from: usize, N: i32, lanes: i32): void {
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < 4; c++)
      f32.store(to + 4 * (4 * n + c), c < lanes ? f32.load(from + 4 * (c * N + n)) : 0);
  }
}

/** [N, 4] as [lanes, N]. */
export function scatter(to: usize, from: usize, N: i32, lanes: i32): void {
  for (let c = 0; c < lanes; c++) {
    for (let n = 0; n < N; n++) f32.store(to + 4 * (c * N + n), f32.load(from + 4 * (4 * n + c)));
  }
}

/** Adds [N, 4] to [lanes, N]. */
export function scatterAdd(to: usize, from: usize, N: i32, lanes: i32): void {
  for (let c = 0; c < lanes; c++) {
    for (let n = 0; n < N; n++) {
      const at = to + 4 * (c * N + n);
      f32.store(at, f32.load(at) + f32.load(from + 4 * (4 * n + c)));
    }
  }
}

/** The sum of four places. */
@inline
export function total(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}
