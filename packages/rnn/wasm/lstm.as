import { sigmoid, tanh } from '../../tensor/wasm/functions';
import { madd } from '../../tensor/wasm/memory';
import { get, goOn, isClear, isSet, put, times, timesTurned, turnOf } from './row';

/** Gates, cell and o ∘ tanh c of one row, from p = W_hh h. */
function position(p: usize, x: usize, cell: usize, c: usize, gates: usize, m: usize, H: i32, hold: bool): void {
  const bytes = <usize>H * 4;
  for (let j: usize = 0; j < bytes; j += turnOf(bytes - j)) {
    const one = bytes - j < 16;
    const i = sigmoid(f32x4.add(get(p + j, one), get(x + j, one)));
    const f = sigmoid(f32x4.add(get(p + j + bytes, one), get(x + j + bytes, one)));
    const g = tanh(f32x4.add(get(p + j + 2 * bytes, one), get(x + j + 2 * bytes, one)));
    const o = sigmoid(f32x4.add(get(p + j + 3 * bytes, one), get(x + j + 3 * bytes, one)));
    put(gates + j, i, one);
    put(gates + j + bytes, f, one);
    put(gates + j + 2 * bytes, g, one);
    put(gates + j + 3 * bytes, o, one);
    let now = get(cell + j, one);
    if (!hold) now = madd(f, now, f32x4.mul(i, g));
    put(cell + j, now, one);
    put(c + j, now, one);
    put(m + j, f32x4.mul(o, tanh(now)), one);
  }
}

/**
 * The LSTM over a sequence: see `lstmForwardKernel`.
 *
 * @param panels  W_hh packed, 0 to read it where it lies; outPanels the same of W_hr
 * @param work    B (2 P + 6 H) numbers
 */
export function lstm(
  y: usize, c: usize, gates: usize, x: usize, h0: usize, c0: usize,
  weight: usize, panels: usize, projection: usize, outPanels: usize, valid: usize, resets: usize,
  work: usize, B: i32, T: i32, H: i32, P: i32, reverse: bool,
): void {
  const state = work;
  const cell = state + <usize>(B * P) * 4;
  const m = cell + <usize>(B * H) * 4;
  const p = m + <usize>(B * H) * 4;
  const out = projection !== 0 ? p + <usize>(4 * B * H) * 4 : m;
  const h = <usize>H * 4;
  const w = <usize>P * 4;
  memory.copy(state, h0, <usize>B * w);
  memory.copy(cell, c0, <usize>B * h);
  for (let s = 0; s < T; s++) {
    const t = reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      if (!isSet(resets, b * T + t)) continue;
      memory.fill(state + <usize>b * w, 0, w);
      memory.fill(cell + <usize>b * h, 0, h);
    }
    times(p, state, panels, weight, B, 4 * H, P);
    for (let b = 0; b < B; b++) {
      const at = <usize>(b * T + t) * h;
      const row = <usize>b * h;
      position(p + 4 * row, x + 4 * at, cell + row, c + at, gates + 4 * at, m + row, H, isClear(valid, b * T + t));
    }
    if (projection !== 0) times(out, m, outPanels, projection, B, P, H);
    for (let b = 0; b < B; b++) {
      const own = state + <usize>b * w;
      if (!isClear(valid, b * T + t)) memory.copy(own, out + <usize>b * w, w);
      memory.copy(y + <usize>(b * T + t) * w, own, w);
    }
  }
}

/** Gradients of one row at one position; dcell becomes that of the cell before. */
function positionGrad(da: usize, dm: usize, dcell: usize, before: usize, c: usize, gates: usize, H: i32): void {
  const bytes = <usize>H * 4;
  const unit = f32x4.splat(1);
  for (let j: usize = 0; j < bytes; j += turnOf(bytes - j)) {
    const one = bytes - j < 16;
    const i = get(gates + j, one);
    const f = get(gates + j + bytes, one);
    const g = get(gates + j + 2 * bytes, one);
    const o = get(gates + j + 3 * bytes, one);
    const d = get(dm + j, one);
    const shown = tanh(get(c + j, one));
    const slope = f32x4.mul(f32x4.mul(d, o), f32x4.sub(unit, f32x4.mul(shown, shown)));
    const dc = f32x4.add(get(dcell + j, one), slope);
    put(da + j, f32x4.mul(f32x4.mul(dc, g), f32x4.mul(i, f32x4.sub(unit, i))), one);
    put(da + j + bytes, f32x4.mul(f32x4.mul(dc, get(before + j, one)), f32x4.mul(f, f32x4.sub(unit, f))), one);
    put(da + j + 2 * bytes, f32x4.mul(f32x4.mul(dc, i), f32x4.sub(unit, f32x4.mul(g, g))), one);
    put(da + j + 3 * bytes, f32x4.mul(f32x4.mul(d, shown), f32x4.mul(o, f32x4.sub(unit, o))), one);
    put(dcell + j, f32x4.mul(dc, f), one);
  }
}

/**
 * Its gradient: see `lstmBackwardKernel`.
 *
 * @param dc    0 for none
 * @param work  B (P + H) numbers; the gradients of the state are dh0 and dc0 themselves
 */
export function lstmGrad(
  da: usize, dh: usize, dh0: usize, dc0: usize, dy: usize, before: usize, c: usize, gates: usize, dc: usize,
  panels: usize, inPanels: usize, valid: usize, resets: usize,
  work: usize, B: i32, T: i32, H: i32, P: i32, reverse: bool,
): void {
  const back = work;
  const dm = inPanels !== 0 ? back + <usize>(B * P) * 4 : dh0;
  const h = <usize>H * 4;
  const w = <usize>P * 4;
  memory.fill(dh0, 0, <usize>B * w);
  memory.fill(dc0, 0, <usize>B * h);
  for (let s = T - 1; s >= 0; s--) {
    const t = reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      const own = dh0 + <usize>b * w;
      const at = <usize>(b * T + t) * w;
      goOn(own, dy + at, P, true, false);
      if (isClear(valid, b * T + t)) memory.fill(dh + at, 0, w);
      else memory.copy(dh + at, own, w);
    }
    if (inPanels !== 0) timesTurned(dm, dh + <usize>t * w, T * P, inPanels, B, P, H);
    for (let b = 0; b < B; b++) {
      const at = <usize>(b * T + t) * h;
      const row = <usize>b * h;
      if (dc !== 0) goOn(dc0 + row, dc + at, H, true, false);
      if (isClear(valid, b * T + t)) memory.fill(da + 4 * at, 0, 4 * h);
      else positionGrad(da + 4 * at, dm + row, dc0 + row, before + at, c + at, gates + 4 * at, H);
    }
    timesTurned(back, da + 4 * <usize>t * h, 4 * T * H, panels, B, 4 * H, P);
    for (let b = 0; b < B; b++) {
      const cleared = isSet(resets, b * T + t);
      if (cleared || !isClear(valid, b * T + t)) goOn(dh0 + <usize>b * w, back + <usize>b * w, P, false, cleared);
      if (cleared) memory.fill(dc0 + <usize>b * h, 0, h);
    }
  }
}
