import { sigmoid, tanh } from '../../tensor/wasm/functions';
import { get, goOn, isClear, isSet, put, times, timesTurned, turnOf } from './row';

/** Numbers of the nonlinearities; identity is none of them. */
const TANH: i32 = 0;
const RELU: i32 = 1;
const SIGMOID: i32 = 2;

@inline
function bend(f: i32, a: v128): v128 {
  if (f === TANH) return tanh(a);
  if (f === RELU) return v128.andnot(a, f32x4.lt(a, f32x4.splat(0)));
  return f === SIGMOID ? sigmoid(a) : a;
}

/** d times f′ where f gave y. */
@inline
function slope(f: i32, y: v128, d: v128): v128 {
  const unit = f32x4.splat(1);
  if (f === TANH) return f32x4.mul(d, f32x4.sub(unit, f32x4.mul(y, y)));
  if (f === RELU) return f32x4.mul(d, v128.and(unit, f32x4.gt(y, f32x4.splat(0))));
  return f === SIGMOID ? f32x4.mul(d, f32x4.mul(y, f32x4.sub(unit, y))) : d;
}

/**
 * The Elman network over a sequence: see `elmanForwardKernel`.
 *
 * @param panels  W_hh packed, 0 to read it where it lies
 * @param work    2 B H numbers
 */
export function elman(
  y: usize, x: usize, h0: usize, weight: usize, panels: usize, valid: usize, resets: usize,
  work: usize, B: i32, T: i32, H: i32, f: i32, reverse: bool,
): void {
  const h = <usize>H * 4;
  const p = work + <usize>B * h;
  memory.copy(work, h0, <usize>B * h);
  for (let s = 0; s < T; s++) {
    const t = reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) if (isSet(resets, b * T + t)) memory.fill(work + <usize>b * h, 0, h);
    times(p, work, panels, weight, B, H, H);
    for (let b = 0; b < B; b++) {
      const own = work + <usize>b * h;
      const at = <usize>(b * T + t) * h;
      const q = p + <usize>b * h;
      for (let j: usize = 0; j < h && !isClear(valid, b * T + t); j += turnOf(h - j)) {
        const one = h - j < 16;
        put(own + j, bend(f, f32x4.add(get(q + j, one), get(x + at + j, one))), one);
      }
      memory.copy(y + at, own, h);
    }
  }
}

/**
 * Its gradient: see `elmanBackwardKernel`.
 *
 * @param work  B H numbers; the gradient of the state is dh0 itself
 */
export function elmanGrad(
  da: usize, dh0: usize, dy: usize, y: usize, panels: usize, valid: usize, resets: usize,
  work: usize, B: i32, T: i32, H: i32, f: i32, reverse: bool,
): void {
  const h = <usize>H * 4;
  memory.fill(dh0, 0, <usize>B * h);
  for (let s = T - 1; s >= 0; s--) {
    const t = reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      const carry = dh0 + <usize>b * h;
      const at = <usize>(b * T + t) * h;
      const hold = isClear(valid, b * T + t);
      for (let j: usize = 0; j < h; j += turnOf(h - j)) {
        const one = h - j < 16;
        const d = f32x4.add(get(dy + at + j, one), get(carry + j, one));
        put(da + at + j, hold ? f32x4.splat(0) : slope(f, get(y + at + j, one), d), one);
        put(carry + j, hold ? d : f32x4.splat(0), one);
      }
    }
    timesTurned(work, da + <usize>t * h, T * H, panels, B, H, H);
    for (let b = 0; b < B; b++) goOn(dh0 + <usize>b * h, work + <usize>b * h, H, true, isSet(resets, b * T + t));
  }
}
