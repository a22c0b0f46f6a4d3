import { sigmoid, tanh } from '../../tensor/wasm/functions';
import { madd } from '../../tensor/wasm/memory';
import { get, goOn, isClear, isSet, put, times, timesTurned, turnOf } from './row';

/** Gates and the new state of one row, from p = W_hh h. */
function position(p: usize, x: usize, bias: usize, h: usize, gates: usize, H: i32, hold: bool): void {
  const bytes = <usize>H * 4;
  for (let j: usize = 0; j < bytes; j += turnOf(bytes - j)) {
    const one = bytes - j < 16;
    let a = get(p + j, one);
    let b = get(p + j + bytes, one);
    let q = get(p + j + 2 * bytes, one);
    if (bias !== 0) {
      a = f32x4.add(a, get(bias + j, one));
      b = f32x4.add(b, get(bias + j + bytes, one));
      q = f32x4.add(q, get(bias + j + 2 * bytes, one));
    }
    const r = sigmoid(f32x4.add(a, get(x + j, one)));
    const z = sigmoid(f32x4.add(b, get(x + j + bytes, one)));
    const n = tanh(madd(r, q, get(x + j + 2 * bytes, one)));
    put(gates + j, r, one);
    put(gates + j + bytes, z, one);
    put(gates + j + 2 * bytes, n, one);
    put(gates + j + 3 * bytes, q, one);
    if (!hold) put(h + j, madd(z, f32x4.sub(get(h + j, one), n), n), one);
  }
}

/**
 * The GRU over a sequence: see `gruForwardKernel`.
 *
 * @param panels  W_hh packed, 0 to read it where it lies
 * @param work    4 B H numbers
 */
export function gru(
  y: usize, gates: usize, x: usize, h0: usize, bias: usize, weight: usize, panels: usize, valid: usize, resets: usize,
  work: usize, B: i32, T: i32, H: i32, reverse: bool,
): void {
  const h = <usize>H * 4;
  const state = work;
  const p = state + <usize>B * h;
  memory.copy(state, h0, <usize>B * h);
  for (let s = 0; s < T; s++) {
    const t = reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) if (isSet(resets, b * T + t)) memory.fill(state + <usize>b * h, 0, h);
    times(p, state, panels, weight, B, 3 * H, H);
    for (let b = 0; b < B; b++) {
      const own = state + <usize>b * h;
      const at = <usize>(b * T + t) * h;
      position(p + 3 * <usize>b * h, x + 3 * at, bias, own, gates + 4 * at, H, isClear(valid, b * T + t));
      memory.copy(y + at, own, h);
    }
  }
}

/** Gradients of one row at one position; carry becomes the part of the state's that does not go through W_hh. */
function positionGrad(da: usize, dp: usize, dy: usize, carry: usize, before: usize, gates: usize, H: i32): void {
  const bytes = <usize>H * 4;
  const unit = f32x4.splat(1);
  for (let j: usize = 0; j < bytes; j += turnOf(bytes - j)) {
    const one = bytes - j < 16;
    const r = get(gates + j, one);
    const z = get(gates + j + bytes, one);
    const n = get(gates + j + 2 * bytes, one);
    const dh = f32x4.add(get(dy + j, one), get(carry + j, one));
    const dn = f32x4.mul(f32x4.mul(dh, f32x4.sub(unit, z)), f32x4.sub(unit, f32x4.mul(n, n)));
    const dr = f32x4.mul(f32x4.mul(dn, get(gates + j + 3 * bytes, one)), f32x4.mul(r, f32x4.sub(unit, r)));
    const rest = f32x4.mul(dh, f32x4.sub(get(before + j, one), n));
    const dz = f32x4.mul(rest, f32x4.mul(z, f32x4.sub(unit, z)));
    put(da + j, dr, one);
    put(da + j + bytes, dz, one);
    put(da + j + 2 * bytes, dn, one);
    put(dp + j, dr, one);
    put(dp + j + bytes, dz, one);
    put(dp + j + 2 * bytes, f32x4.mul(dn, r), one);
    put(carry + j, f32x4.mul(dh, z), one);
  }
}

/**
 * Its gradient: see `gruBackwardKernel`.
 *
 * @param work  B H numbers; the gradient of the state is dh0 itself
 */
export function gruGrad(
  da: usize, dp: usize, dh0: usize, dy: usize, before: usize, gates: usize, panels: usize, valid: usize, resets: usize,
  work: usize, B: i32, T: i32, H: i32, reverse: bool,
): void {
  const h = <usize>H * 4;
  memory.fill(dh0, 0, <usize>B * h);
  for (let s = T - 1; s >= 0; s--) {
    const t = reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      const carry = dh0 + <usize>b * h;
      const at = <usize>(b * T + t) * h;
      if (isClear(valid, b * T + t)) {
        memory.fill(da + 3 * at, 0, 3 * h);
        memory.fill(dp + 3 * at, 0, 3 * h);
        goOn(carry, dy + at, H, true, false);
      } else positionGrad(da + 3 * at, dp + 3 * at, dy + at, carry, before + at, gates + 4 * at, H);
    }
    timesTurned(work, dp + 3 * <usize>t * h, 3 * T * H, panels, B, 3 * H, H);
    for (let b = 0; b < B; b++) goOn(dh0 + <usize>b * h, work + <usize>b * h, H, true, isSet(resets, b * T + t));
  }
}
