import type { CpuCall } from '@seq/tensor';
import { layoutOf } from '../internal/layout.js';
import { maskInputs } from '../internal/sequence.js';
import type { MaskFlags } from '../internal/sequence.js';
import { packFrom, paddedWidth, panelDoubles } from '../internal/panels.js';

/** Which masks are present, and the direction of time. */
export interface GruBeforeAttrs extends MaskFlags {
  readonly reverse: boolean;
}

/** Inputs of `gruBeforeOp` by name. */
export interface GruBeforeForwardInputs<X> {
  readonly xg: X;
  readonly weight: X;
  readonly h0: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Inputs of `gruBeforeBackwardOp` by name. */
export interface GruBeforeBackwardInputs<X> {
  readonly dy: X;
  readonly before: X;
  readonly gates: X;
  readonly weight: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Names the inputs of `gruBeforeOp`. */
export function forwardInputs<X>(inputs: readonly X[], attrs: GruBeforeAttrs): GruBeforeForwardInputs<X> {
  const [xg, weight, h0, ...rest] = inputs;
  return { xg, weight, h0, ...maskInputs(rest, attrs) };
}

/** Names the inputs of `gruBeforeBackwardOp`. */
export function backwardInputs<X>(inputs: readonly X[], attrs: GruBeforeAttrs): GruBeforeBackwardInputs<X> {
  const [dy, before, gates, weight, ...rest] = inputs;
  return { dy, before, gates, weight, ...maskInputs(rest, attrs) };
}

/** Scratch of the forward kernel in bytes. */
export function forwardScratch(B: number, H: number): number {
  const products = B * paddedWidth(2 * H) + B * paddedWidth(H);
  return 8 * (2 * B * H + products + panelDoubles(2 * H, H) + panelDoubles(H, H));
}

/** Scratch of the backward kernel in bytes. */
export function backwardScratch(B: number, H: number): number {
  return 8 * (4 * B * H + 2 * B * paddedWidth(H) + panelDoubles(H, 2 * H) + panelDoubles(H, H));
}

/**
 * inputs  xg [B, T, 3H] with both biases, weightHh [3H, H], h0 [B, H], then as the attributes say valid [B, T], resets [B, T]
 * outputs y [B, T, H], gates [B, T, 3H] = r, z, n
 */
export function gruBeforeForwardKernel(call: CpuCall<GruBeforeAttrs>): void {
  const { inputs, outputs, attrs, scratch } = call;
  const L = layoutOf(call);
  const { xg, weight: w, h0, valid, resets } = forwardInputs(inputs, attrs);
  const [y, gates] = outputs;
  const [B, T] = xg.shape;
  const H = h0.shape[1];
  const ld = L.paddedWidth(2 * H);
  const ldN = L.paddedWidth(H);

  const packed = B * T >= packFrom;
  const [state, seen, p, n, panels, panelsN] = L.pieces(scratch, [
    B * H, // h, packed rows
    B * H, // r ∘ h, packed rows
    B * ld, // W_hr h and W_hz h, then r, z
    B * ldN, // W_hn (r ∘ h), then n
    L.panelSize(2 * H, H),
    L.panelSize(H, H),
  ]);
  const wN = w.offset + 2 * H * H;
  if (packed) L.packPanels(w.data, w.offset, [H, 2 * H], [1, H], panels);
  if (packed) L.packPanels(w.data, wN, [H, H], [1, H], panelsN);
  L.packRows(h0.data, h0.offset, B, H, state);

  const x_ = xg.data.subarray(xg.offset);
  const y_ = y.data.subarray(y.offset);
  const g_ = gates.data.subarray(gates.offset);
  for (let s = 0; s < T; s++) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; resets && b < B; b++)
      if (resets.data[resets.offset + b * T + t]) L.clearRow(state, b, B, H);
    if (packed) L.multiplyPanels(state, panels, p, B, 2 * H, H);
    else L.multiplyRows(state, w.data, w.offset, p, B, 2 * H, H);

    for (let b = 0; b < B; b++) {
      const step = L.rowStep(b, B);
      const row = b * ld;
      const xAt = (b * T + t) * 3 * H;
      for (let j = 0; j < 2 * H; j++) p[row + j] += x_[xAt + j];
      L.sigmoidRow(p, row, row + 2 * H);
      for (let j = 0, hAt = L.rowAt(b, B, H); j < H; j++, hAt += step) seen[hAt] = p[row + j] * state[hAt];
    }
    if (packed) L.multiplyPanels(seen, panelsN, n, B, H, H);
    else L.multiplyRows(seen, w.data, wN, n, B, H, H);

    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      const rowN = b * ldN;
      let yAt = (b * T + t) * H;
      let gAt = 3 * yAt;
      for (let j = 0; j < H; j++) n[rowN + j] += x_[gAt + 2 * H + j];
      L.tanhRow(n, rowN, rowN + H);
      for (let j = 0, at = b * ld, hAt = L.rowAt(b, B, H); j < H; j++, at++, hAt += step, yAt++, gAt++) {
        const h = state[hAt];
        const [z, nj] = [p[at + H], n[rowN + j]];
        g_[gAt] = p[at];
        g_[gAt + H] = z;
        g_[gAt + 2 * H] = nj;
        y_[yAt] = hold ? h : nj + z * (h - nj);
        state[hAt] = y_[yAt]; // as rounded, so that a cut between two calls changes nothing
      }
    }
  }
}

/**
 * inputs  dy [B, T, H], before [B, T, H] (the state each position started from), gates [B, T, 3H],
 *         weightHh [3H, H], then as the attributes say valid [B, T], resets [B, T]
 * outputs da [B, T, 3H] = gradient by xg, dh0 [B, H]
 */
export function gruBeforeBackwardKernel(call: CpuCall<GruBeforeAttrs>): void {
  const { inputs, outputs, attrs, scratch } = call;
  const L = layoutOf(call);
  const { dy, before, gates, weight: w, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dh0] = outputs;
  const [B, T, H] = dy.shape;
  const ld = L.paddedWidth(H);

  const [rows, rowsN, back, ds, carry, panels, panelsN] = L.pieces(scratch, [
    2 * B * H, // dr, dz of the step, packed rows
    B * H, // dn of the step, packed rows
    B * ld, // [dr, dz] · W_h(r, z)
    B * ld, // dn · W_hn, the gradient by r ∘ h
    B * H, // gradient by the state after the step
    L.panelSize(H, 2 * H),
    L.panelSize(H, H),
  ]);
  carry.fill(0);
  L.packPanels(w.data, w.offset, [2 * H, H], [H, 1], panels);
  L.packPanels(w.data, w.offset + 2 * H * H, [H, H], [H, 1], panelsN);

  const dy_ = dy.data.subarray(dy.offset);
  const h_ = before.data.subarray(before.offset);
  const g_ = gates.data.subarray(gates.offset);
  const da_ = da.data.subarray(da.offset);
  for (let s = T - 1; s >= 0; s--) {
    const t = attrs.reverse ? T - 1 - s : s;
    const held = (b: number): boolean => valid !== undefined && !valid.data[valid.offset + b * T + t];
    for (let b = 0; b < B; b++) {
      const hold = held(b);
      const step = L.rowStep(b, B);
      let at = (b * T + t) * H;
      let gAt = 3 * at;
      for (let j = 0, row = L.rowAt(b, B, H), c = b * H; j < H; j++, row += step, c++, at++, gAt++) {
        carry[c] += dy_[at];
        const n = g_[gAt + 2 * H];
        rowsN[row] = hold ? 0 : carry[c] * (1 - g_[gAt + H]) * (1 - n * n);
      }
    }
    L.multiplyPanels(rowsN, panelsN, ds, B, H, H);

    for (let b = 0; b < B; b++) {
      const hold = held(b);
      const step = L.rowStep(b, B);
      const shift = step * H;
      let rowN = L.rowAt(b, B, H);
      let row = L.rowAt(b, B, 2 * H);
      let at = (b * T + t) * H;
      let gAt = 3 * at;
      for (let j = 0, c = b * H; j < H; j++, c++, row += step, rowN += step, at++, gAt++) {
        const [r, z, n] = [g_[gAt], g_[gAt + H], g_[gAt + 2 * H]];
        const dSeen = ds[b * ld + j];
        const dr = hold ? 0 : dSeen * h_[at] * r * (1 - r);
        const dz = hold ? 0 : carry[c] * (h_[at] - n) * z * (1 - z);
        da_[gAt] = rows[row] = dr;
        da_[gAt + H] = rows[row + shift] = dz;
        da_[gAt + 2 * H] = rowsN[rowN];
        if (!hold) carry[c] = carry[c] * z + dSeen * r;
      }
    }
    L.multiplyPanels(rows, panels, back, B, H, 2 * H);
    for (let b = 0; b < B; b++) {
      const cleared = resets !== undefined && resets.data[resets.offset + b * T + t];
      for (let j = 0, c = b * H, at = b * ld; j < H; j++, c++, at++)
        carry[c] = cleared ? 0 : carry[c] + back[at];
    }
  }
  for (let i = 0; i < B * H; i++) dh0.data[dh0.offset + i] = carry[i];
}
