import { address } from '@seq/tensor';
import type { CpuCall } from '@seq/tensor';
import { doubles as L } from '../internal/layout.js';
import type { Floats } from '../internal/layout.js';
import { packFrom, paddedWidth, panelDoubles } from '../internal/panels.js';
import { maskInputs } from '../internal/sequence.js';
import type { MaskFlags } from '../internal/sequence.js';
import { kernelsFor, pack, rowAt, runLoop } from '../internal/wasm.js';

/** What the sum of input and recurrent product goes through. */
export type ElmanNonlinearity = 'tanh' | 'relu' | 'sigmoid' | 'identity';

/** Their numbers in `wasm/elman.as`. */
const numbers: readonly ElmanNonlinearity[] = ['tanh', 'relu', 'sigmoid', 'identity'];

/** Which masks are present, the direction of time and the nonlinearity. */
export interface ElmanAttrs extends MaskFlags {
  readonly nonlinearity: ElmanNonlinearity;
  readonly reverse: boolean;
}

/** Inputs of `elmanOp` by name. */
export interface ElmanForwardInputs<X> {
  readonly xg: X;
  readonly weight: X;
  readonly h0: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Inputs of `elmanBackwardOp` by name. */
export interface ElmanBackwardInputs<X> {
  readonly dy: X;
  readonly y: X;
  readonly weight: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Names the inputs of `elmanOp`. */
export function forwardInputs<X>(inputs: readonly X[], attrs: ElmanAttrs): ElmanForwardInputs<X> {
  const [xg, weight, h0, ...rest] = inputs;
  return { xg, weight, h0, ...maskInputs(rest, attrs) };
}

/** Names the inputs of `elmanBackwardOp`. */
export function backwardInputs<X>(inputs: readonly X[], attrs: ElmanAttrs): ElmanBackwardInputs<X> {
  const [dy, y, weight, ...rest] = inputs;
  return { dy, y, weight, ...maskInputs(rest, attrs) };
}

/** a[from … to − 1] ← f(a). */
function bend(f: ElmanNonlinearity, a: Floats, from: number, to: number): void {
  if (f === 'tanh') L.tanhRow(a, from, to);
  else if (f === 'sigmoid') L.sigmoidRow(a, from, to);
  else if (f === 'relu') for (let i = from; i < to; i++) if (a[i] < 0) a[i] = 0;
}

/** f′ where f gave y. */
function slopeAt(f: ElmanNonlinearity, y: number): number {
  if (f === 'tanh') return 1 - y * y;
  if (f === 'relu') return y > 0 ? 1 : 0;
  return f === 'sigmoid' ? y * (1 - y) : 1;
}

/** Scratch of either kernel in bytes. */
export function elmanScratch(B: number, H: number): number {
  return 8 * (2 * B * H + B * paddedWidth(H) + panelDoubles(H, H));
}

/**
 * inputs  xg [B, T, H] with both biases, weightHh [H, H], h0 [B, H], then as the attributes say valid [B, T], resets [B, T]
 * outputs y [B, T, H]
 */
export function elmanForwardKernel(call: CpuCall<ElmanAttrs>): void {
  if (forwardInWasm(call)) return;
  const { inputs, outputs, attrs, scratch } = call;
  const { xg, weight: w, h0, valid, resets } = forwardInputs(inputs, attrs);
  const [y] = outputs;
  const [B, T, H] = xg.shape;
  const ld = L.paddedWidth(H);

  const packed = B * T >= packFrom;
  const [state, p, panels] = L.pieces(scratch, [
    B * H, // h, packed rows
    B * ld, // W_hh h, then the new state
    L.panelSize(H, H),
  ]);
  if (packed) L.packPanels(w.data, w.offset, [H, H], [1, H], panels);
  L.packRows(h0.data, h0.offset, B, H, state);

  const x_ = xg.data.subarray(xg.offset);
  const y_ = y.data.subarray(y.offset);
  for (let s = 0; s < T; s++) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; resets && b < B; b++)
      if (resets.data[resets.offset + b * T + t]) L.clearRow(state, b, B, H);
    if (packed) L.multiplyPanels(state, panels, p, B, H, H);
    else L.multiplyRows(state, w.data, w.offset, p, B, H, H);

    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      const row = b * ld;
      let yAt = (b * T + t) * H;
      for (let j = 0; j < H; j++) p[row + j] += x_[yAt + j];
      bend(attrs.nonlinearity, p, row, row + H);
      for (let j = 0, hAt = L.rowAt(b, B, H); j < H; j++, hAt += step, yAt++) {
        y_[yAt] = hold ? state[hAt] : p[row + j];
        state[hAt] = y_[yAt]; // as rounded, so that a cut between two calls changes nothing
      }
    }
  }
}

/**
 * inputs  dy [B, T, H], y [B, T, H], weightHh [H, H], then as the attributes say valid [B, T], resets [B, T]
 * outputs da [B, T, H] = gradient by xg, dh0 [B, H]
 */
export function elmanBackwardKernel(call: CpuCall<ElmanAttrs>): void {
  if (backwardInWasm(call)) return;
  const { inputs, outputs, attrs, scratch } = call;
  const { dy, y, weight: w, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dh0] = outputs;
  const [B, T, H] = dy.shape;
  const ld = L.paddedWidth(H);

  const [rows, back, carry, panels] = L.pieces(scratch, [
    B * H, // da of the step, packed rows
    B * ld, // da · W_hh
    B * H, // gradient by the state after the step
    L.panelSize(H, H),
  ]);
  carry.fill(0);
  L.packPanels(w.data, w.offset, [H, H], [H, 1], panels);

  const dy_ = dy.data.subarray(dy.offset);
  const y_ = y.data.subarray(y.offset);
  const da_ = da.data.subarray(da.offset);
  for (let s = T - 1; s >= 0; s--) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      let rowOf = L.rowAt(b, B, H);
      let at = (b * T + t) * H;
      for (let j = 0, c = b * H; j < H; j++, c++, rowOf += step, at++) {
        const dh = dy_[at] + carry[c];
        da_[at] = rows[rowOf] = hold ? 0 : dh * slopeAt(attrs.nonlinearity, y_[at]);
        carry[c] = hold ? dh : 0;
      }
    }
    L.multiplyPanels(rows, panels, back, B, H, H);
    for (let b = 0; b < B; b++) {
      const cleared = resets !== undefined && resets.data[resets.offset + b * T + t];
      for (let j = 0, c = b * H, at = b * ld; j < H; j++, c++, at++)
        carry[c] = cleared ? 0 : carry[c] + back[at];
    }
  }
  for (let i = 0; i < B * H; i++) dh0.data[dh0.offset + i] = carry[i];
}

function forwardInWasm(call: CpuCall<ElmanAttrs>): boolean {
  const k = kernelsFor(call);
  if (k === null) return false;
  const { inputs, outputs, attrs, scratch } = call;
  const { xg, weight, h0, valid, resets } = forwardInputs(inputs, attrs);
  const [y] = outputs;
  const [B, T, H] = xg.shape;
  const packed = B * T >= packFrom;
  const panels = scratch.byteOffset;
  const work = packed ? pack(k, panels, weight, [H, H], [1, H]) : panels;
  return runLoop(call, 'elman', B, B * T * H * H, (b, rows) => [
    ...[rowAt(y, b), rowAt(xg, b), rowAt(h0, b), address(weight), packed ? panels : 0],
    ...[rowAt(valid, b), rowAt(resets, b), work + 4 * b * 2 * H, rows, T, H],
    ...[numbers.indexOf(attrs.nonlinearity), Number(attrs.reverse)],
  ]);
}

function backwardInWasm(call: CpuCall<ElmanAttrs>): boolean {
  const k = kernelsFor(call);
  if (k === null) return false;
  const { inputs, outputs, attrs, scratch } = call;
  const { dy, y, weight, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dh0] = outputs;
  const [B, T, H] = dy.shape;
  const panels = scratch.byteOffset;
  const work = pack(k, panels, weight, [H, H], [H, 1]);
  return runLoop(call, 'elmanGrad', B, B * T * H * H, (b, rows) => [
    ...[rowAt(da, b), rowAt(dh0, b), rowAt(dy, b), rowAt(y, b), panels, rowAt(valid, b), rowAt(resets, b)],
    ...[work + 4 * b * H, rows, T, H, numbers.indexOf(attrs.nonlinearity), Number(attrs.reverse)],
  ]);
}
