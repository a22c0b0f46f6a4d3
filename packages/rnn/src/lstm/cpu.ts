import { address } from '@seq/tensor';
import type { CpuCall } from '@seq/tensor';
import { doubles as L } from '../internal/layout.js';
import { packFrom, paddedWidth, panelDoubles } from '../internal/panels.js';
import { maskInputs } from '../internal/sequence.js';
import type { MaskFlags } from '../internal/sequence.js';
import { kernelsFor, pack, rowAt, runLoop } from '../internal/wasm.js';

/** Which optional inputs of the sequence ops are present, and the direction of time. */
export interface LstmAttrs extends MaskFlags {
  readonly projected: boolean;
  readonly reverse: boolean;
}

/** The same for the gradient, and whether the cells have a cotangent of their own. */
export interface LstmBackwardAttrs extends LstmAttrs {
  readonly cells: boolean;
}

/** Inputs of `lstmOp` by name. */
export interface LstmForwardInputs<X> {
  readonly xg: X;
  readonly weight: X;
  readonly h0: X;
  readonly c0: X;
  readonly projection?: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Inputs of `lstmBackwardOp` by name. */
export interface LstmBackwardInputs<X> {
  readonly dy: X;
  readonly before: X;
  readonly c: X;
  readonly gates: X;
  readonly weight: X;
  readonly dc?: X;
  readonly projection?: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Names the inputs of `lstmOp`. */
export function forwardInputs<X>(inputs: readonly X[], attrs: LstmAttrs): LstmForwardInputs<X> {
  const [xg, weight, h0, c0, ...rest] = inputs;
  const projection = attrs.projected ? rest.shift() : undefined;
  return { xg, weight, h0, c0, ...(projection ? { projection } : {}), ...maskInputs(rest, attrs) };
}

/** Names the inputs of `lstmBackwardOp`. */
export function backwardInputs<X>(inputs: readonly X[], attrs: LstmBackwardAttrs): LstmBackwardInputs<X> {
  const [dy, before, c, gates, weight, ...rest] = inputs;
  const dc = attrs.cells ? rest.shift() : undefined;
  const projection = attrs.projected ? rest.shift() : undefined;
  return {
    dy,
    before,
    c,
    gates,
    weight,
    ...(dc ? { dc } : {}),
    ...(projection ? { projection } : {}),
    ...maskInputs(rest, attrs),
  };
}

/** Scratch of the forward kernel in bytes. */
export function forwardScratch(B: number, H: number, P: number): number {
  return (
    8 *
    (B * P +
      2 * B * H +
      H +
      B * paddedWidth(4 * H) +
      B * paddedWidth(P) +
      panelDoubles(4 * H, P) +
      panelDoubles(P, H))
  );
}

/** Scratch of the backward kernel in bytes. */
export function backwardScratch(B: number, H: number, P: number): number {
  const products = B * paddedWidth(P) + B * paddedWidth(H);
  return 8 * (4 * B * H + B * P + products + B * P + B * H + H + panelDoubles(P, 4 * H) + panelDoubles(H, P));
}

/**
 * inputs  xg [B, T, 4H] with both biases, weightHh [4H, P], h0 [B, P], c0 [B, H],
 *         then as the attributes say weightHr [P, H], valid [B, T], resets [B, T]
 * outputs y [B, T, P], c [B, T, H], gates [B, T, 4H] = i, f, g, o
 */
export function lstmForwardKernel(call: CpuCall<LstmAttrs>): void {
  if (forwardInWasm(call)) return;
  const { inputs, outputs, attrs, scratch } = call;
  const { xg, weight, h0, c0, projection, valid, resets } = forwardInputs(inputs, attrs);
  const [y, c, gates] = outputs;
  const [B, T] = xg.shape;
  const [P, H] = [h0.shape[1], c0.shape[1]];
  const ld = L.paddedWidth(4 * H);
  const ldOut = L.paddedWidth(P);

  const [state, cell, tc, m, p, out, panels, outPanels] = L.pieces(scratch, [
    B * P, // h, packed rows
    B * H, // c
    H, // tanh c of a row
    B * H, // o ∘ tanh c, packed rows
    B * ld, // W_hh h, then i, f, g, o
    B * ldOut, // W_hr m
    L.panelSize(4 * H, P),
    L.panelSize(P, H),
  ]);
  const packed = B * T >= packFrom;
  if (packed) {
    L.packPanels(weight.data, weight.offset, [P, 4 * H], [1, P], panels);
    if (projection) L.packPanels(projection.data, projection.offset, [H, P], [1, H], outPanels);
  }
  L.packRows(h0.data, h0.offset, B, P, state);
  for (let i = 0; i < B * H; i++) cell[i] = c0.data[c0.offset + i];

  const x_ = xg.data.subarray(xg.offset);
  const y_ = y.data.subarray(y.offset);
  const c_ = c.data.subarray(c.offset);
  const g_ = gates.data.subarray(gates.offset);
  for (let s = 0; s < T; s++) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; resets && b < B; b++) {
      if (!resets.data[resets.offset + b * T + t]) continue;
      L.clearRow(state, b, B, P);
      cell.fill(0, b * H, (b + 1) * H);
    }
    if (packed) L.multiplyPanels(state, panels, p, B, 4 * H, P);
    else L.multiplyRows(state, weight.data, weight.offset, p, B, 4 * H, P);

    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      const row = b * ld;
      const xAt = (b * T + t) * 4 * H;
      for (let j = 0; j < 4 * H; j++) p[row + j] += x_[xAt + j];
      L.sigmoidRow(p, row, row + 2 * H);
      L.tanhRow(p, row + 2 * H, row + 3 * H);
      L.sigmoidRow(p, row + 3 * H, row + 4 * H);

      let cAt = (b * T + t) * H;
      let gAt = 4 * cAt;
      for (let j = 0, k = b * H, at = row; j < H; j++, k++, at++, gAt++, cAt++) {
        g_[gAt] = p[at];
        g_[gAt + H] = p[at + H];
        g_[gAt + 2 * H] = p[at + 2 * H];
        g_[gAt + 3 * H] = p[at + 3 * H];
        c_[cAt] = hold ? cell[k] : p[at + H] * cell[k] + p[at] * p[at + 2 * H];
        cell[k] = c_[cAt]; // as rounded, so that a cut between two calls changes nothing
        tc[j] = cell[k];
      }
      L.tanhRow(tc, 0, H);
      for (let j = 0, mAt = L.rowAt(b, B, H); j < H; j++, mAt += step) m[mAt] = p[row + 3 * H + j] * tc[j];
    }
    if (projection && packed) L.multiplyPanels(m, outPanels, out, B, P, H);
    else if (projection) L.multiplyRows(m, projection.data, projection.offset, out, B, P, H);

    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      let hAt = L.rowAt(b, B, P);
      let yAt = (b * T + t) * P;
      for (let k = 0; k < P; k++, hAt += step, yAt++) {
        y_[yAt] = hold ? state[hAt] : projection ? out[b * ldOut + k] : m[hAt];
        state[hAt] = y_[yAt];
      }
    }
  }
}

/**
 * inputs  dy [B, T, P], before [B, T, H] (c that each position started from), c [B, T, H], gates [B, T, 4H],
 *         weightHh [4H, P], then as the attributes say dc [B, T, H], weightHr [P, H], valid [B, T], resets [B, T]
 * outputs da [B, T, 4H] = gradient by xg, dh [B, T, P] = whole gradient by each output h, dh0 [B, P], dc0 [B, H]
 */
export function lstmBackwardKernel(call: CpuCall<LstmBackwardAttrs>): void {
  if (backwardInWasm(call)) return;
  const { inputs, outputs, attrs, scratch } = call;
  const { dy, before, c, gates, weight, dc, projection, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dh, dh0, dc0] = outputs;
  const [B, T, P] = dy.shape;
  const H = c.shape[2];
  const ld = L.paddedWidth(P);
  const ldIn = L.paddedWidth(H);

  const [rows, dhRows, back, dm, carry, dcell, tc, panels, inPanels] = L.pieces(scratch, [
    4 * B * H, // da of the step, packed rows
    B * P, // dh of the step, packed rows
    B * ld, // da · W_hh
    B * ldIn, // dh · W_hr
    B * P, // gradient by h after the step
    B * H, // gradient by c after the step
    H, // tanh c of a row
    L.panelSize(P, 4 * H),
    L.panelSize(H, P),
  ]);
  carry.fill(0);
  dcell.fill(0);
  L.packPanels(weight.data, weight.offset, [4 * H, P], [P, 1], panels);
  if (projection) L.packPanels(projection.data, projection.offset, [P, H], [H, 1], inPanels);

  const dy_ = dy.data.subarray(dy.offset);
  const dc_ = dc?.data.subarray(dc.offset);
  const before_ = before.data.subarray(before.offset);
  const c_ = c.data.subarray(c.offset);
  const g_ = gates.data.subarray(gates.offset);
  const da_ = da.data.subarray(da.offset);
  const dh_ = dh.data.subarray(dh.offset);
  for (let s = T - 1; s >= 0; s--) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      let row = L.rowAt(b, B, P);
      for (let k = 0, at = (b * T + t) * P, i = b * P; k < P; k++, at++, i++, row += step) {
        carry[i] += dy_[at];
        dh_[at] = dhRows[row] = hold ? 0 : carry[i];
      }
    }
    if (projection) L.multiplyPanels(dhRows, inPanels, dm, B, H, P);

    for (let b = 0; b < B; b++) {
      const step = L.rowStep(b, B);
      const shift = step * H;
      let row = L.rowAt(b, B, 4 * H);
      let at = (b * T + t) * H;
      let aAt = 4 * at;
      let gAt = 4 * at;
      for (let j = 0; dc_ && j < H; j++) dcell[b * H + j] += dc_[at + j];
      if (valid !== undefined && !valid.data[valid.offset + b * T + t]) {
        L.clearRow(rows, b, B, 4 * H);
        da_.fill(0, aAt, aAt + 4 * H);
        continue;
      }
      for (let j = 0; j < H; j++) tc[j] = c_[at + j];
      L.tanhRow(tc, 0, H);
      let mAt = projection ? b * ldIn : b * P;
      const dm_ = projection ? dm : carry;
      for (let j = 0, k = b * H; j < H; j++, k++, row += step, at++, aAt++, gAt++, mAt++) {
        const i = g_[gAt];
        const f = g_[gAt + H];
        const g = g_[gAt + 2 * H];
        const o = g_[gAt + 3 * H];
        const dct = dcell[k] + dm_[mAt] * o * (1 - tc[j] * tc[j]);
        const di = dct * g * i * (1 - i);
        const df = dct * before_[at] * f * (1 - f);
        const dg = dct * i * (1 - g * g);
        const dO = dm_[mAt] * tc[j] * o * (1 - o);
        da_[aAt] = rows[row] = di;
        da_[aAt + H] = rows[row + shift] = df;
        da_[aAt + 2 * H] = rows[row + 2 * shift] = dg;
        da_[aAt + 3 * H] = rows[row + 3 * shift] = dO;
        dcell[k] = dct * f;
      }
    }
    L.multiplyPanels(rows, panels, back, B, P, 4 * H);
    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const cleared = resets !== undefined && resets.data[resets.offset + b * T + t];
      for (let k = 0, i = b * P, at = b * ld; k < P; k++, i++, at++)
        carry[i] = cleared ? 0 : hold ? carry[i] : back[at];
      if (cleared) dcell.fill(0, b * H, (b + 1) * H);
    }
  }
  for (let i = 0; i < B * P; i++) dh0.data[dh0.offset + i] = carry[i];
  for (let i = 0; i < B * H; i++) dc0.data[dc0.offset + i] = dcell[i];
}

function forwardInWasm(call: CpuCall<LstmAttrs>): boolean {
  const k = kernelsFor(call);
  if (k === null) return false;
  const { inputs, outputs, attrs, scratch } = call;
  const { xg, weight, h0, c0, projection, valid, resets } = forwardInputs(inputs, attrs);
  const [y, c, gates] = outputs;
  const [B, T] = xg.shape;
  const [P, H] = [h0.shape[1], c0.shape[1]];
  const packed = B * T >= packFrom;
  const panels = scratch.byteOffset;
  const outPanels = packed ? pack(k, panels, weight, [P, 4 * H], [1, P]) : panels;
  const work = packed && projection ? pack(k, outPanels, projection, [H, P], [1, H]) : outPanels;
  const products = B * T * (4 * H * P + (projection ? P * H : 0));
  return runLoop(call, 'lstm', B, products, (b, rows) => [
    ...[rowAt(y, b), rowAt(c, b), rowAt(gates, b), rowAt(xg, b), rowAt(h0, b), rowAt(c0, b)],
    ...[address(weight), packed ? panels : 0],
    ...(projection ? [address(projection), packed ? outPanels : 0] : [0, 0]),
    ...[rowAt(valid, b), rowAt(resets, b)],
    ...[work + 4 * b * (2 * P + 6 * H), rows, T, H, P, Number(attrs.reverse)],
  ]);
}

function backwardInWasm(call: CpuCall<LstmBackwardAttrs>): boolean {
  const k = kernelsFor(call);
  if (k === null) return false;
  const { inputs, outputs, attrs, scratch } = call;
  const { dy, before, c, gates, weight, dc, projection, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dh, dh0, dc0] = outputs;
  const [B, T, P] = dy.shape;
  const H = c.shape[2];
  const panels = scratch.byteOffset;
  const inPanels = pack(k, panels, weight, [4 * H, P], [P, 1]);
  const work = projection ? pack(k, inPanels, projection, [P, H], [H, 1]) : inPanels;
  const products = B * T * (4 * H * P + (projection ? P * H : 0));
  return runLoop(call, 'lstmGrad', B, products, (b, rows) => [
    ...[rowAt(da, b), rowAt(dh, b), rowAt(dh0, b), rowAt(dc0, b)],
    ...[rowAt(dy, b), rowAt(before, b), rowAt(c, b), rowAt(gates, b), rowAt(dc, b)],
    ...[panels, projection ? inPanels : 0, rowAt(valid, b), rowAt(resets, b)],
    ...[work + 4 * b * (P + H), rows, T, H, P, Number(attrs.reverse)],
  ]);
}
