import { address } from '@seq/tensor';
import type { CpuCall } from '@seq/tensor';
import { doubles as L } from '../internal/layout.js';
import { maskInputs } from '../internal/sequence.js';
import type { MaskFlags } from '../internal/sequence.js';
import { packFrom, paddedWidth, panelDoubles } from '../internal/panels.js';
import { kernelsFor, pack, rowAt, runLoop } from '../internal/wasm.js';

/** Which optional inputs of the sequence ops are present, and the direction of time. */
export interface GruAttrs extends MaskFlags {
  readonly bias: boolean;
  readonly reverse: boolean;
}

/** Inputs of `gruOp` by name. */
export interface GruForwardInputs<X> {
  readonly xg: X;
  readonly weight: X;
  readonly h0: X;
  readonly bias?: X;
  readonly valid?: X;
  readonly resets?: X;
}

/** Inputs of `gruBackwardOp` by name. */
export interface GruBackwardInputs<X> {
  readonly dy: X;
  readonly before: X;
  readonly gates: X;
  readonly weight: X;
  readonly valid?: X;
  readonly resets?: X;
}

export function forwardInputs<X>(inputs: readonly X[], attrs: GruAttrs): GruForwardInputs<X> {
  const [xg, weight, h0, ...rest] = inputs;
  const bias = attrs.bias ? rest.shift() : undefined;
  return { xg, weight, h0, ...(bias ? { bias } : {}), ...maskInputs(rest, attrs) };
}

export function backwardInputs<X>(inputs: readonly X[], attrs: GruAttrs): GruBackwardInputs<X> {
  const [dy, before, gates, weight, ...rest] = inputs;
  return { dy, before, gates, weight, ...maskInputs(rest, attrs) };
}

/** Scratch of the forward kernel in bytes. */
export function forwardScratch(B: number, H: number): number {
  return 8 * (B * H + B * paddedWidth(3 * H) + 4 * H + panelDoubles(3 * H, H));
}

/** Scratch of the backward kernel in bytes. */
export function backwardScratch(B: number, H: number): number {
  return 8 * (B * 3 * H + B * paddedWidth(H) + B * H + panelDoubles(H, 3 * H));
}

/**
 * inputs  xg [B, T, 3H], weightHh [3H, H], h0 [B, H], then as the attributes say biasHh [3H], valid [B, T], resets [B, T]
 * outputs y [B, T, H], gates [B, T, 4H] = r, z, n, q with q = W_hn h + b_hn
 */
export function gruForwardKernel(call: CpuCall<GruAttrs>): void {
  if (forwardInWasm(call)) return;
  const { inputs, outputs, attrs, scratch } = call;
  const { xg, weight: w, h0, bias, valid, resets } = forwardInputs(inputs, attrs);
  const [y, gates] = outputs;
  const [B, T] = xg.shape;
  const H = h0.shape[1];
  const G = 3 * H;
  const ld = L.paddedWidth(G);

  const packed = B * T >= packFrom;
  const [state, p, n, b_, panels] = L.pieces(scratch, [
    B * H, // h, packed rows
    B * ld, // W_hh h, then r, z, q
    H,
    G, // b_hh
    L.panelSize(G, H),
  ]);
  for (let j = 0; j < G; j++) b_[j] = bias ? bias.data[bias.offset + j] : 0;
  if (packed) L.packPanels(w.data, w.offset, [H, G], [1, H], panels);
  L.packRows(h0.data, h0.offset, B, H, state);

  const x_ = xg.data.subarray(xg.offset);
  const y_ = y.data.subarray(y.offset);
  const g_ = gates.data.subarray(gates.offset);
  for (let s = 0; s < T; s++) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; resets && b < B; b++)
      if (resets.data[resets.offset + b * T + t]) L.clearRow(state, b, B, H);
    if (packed) L.multiplyPanels(state, panels, p, B, G, H);
    else L.multiplyRows(state, w.data, w.offset, p, B, G, H);

    for (let b = 0; b < B; b++) {
      const hold = valid !== undefined && !valid.data[valid.offset + b * T + t];
      const step = L.rowStep(b, B);
      const row = b * ld;
      const xAt = (b * T + t) * G;
      for (let j = 0; j < 2 * H; j++) p[row + j] += x_[xAt + j] + b_[j];
      L.sigmoidRow(p, row, row + 2 * H);
      for (let j = 0, q = row + 2 * H; j < H; j++, q++) {
        p[q] += b_[2 * H + j];
        n[j] = x_[xAt + 2 * H + j] + p[row + j] * p[q];
      }
      L.tanhRow(n, 0, H);

      let hAt = L.rowAt(b, B, H);
      let yAt = (b * T + t) * H;
      let gAt = 4 * yAt;
      for (let j = 0, at = row; j < H; j++, at++, hAt += step, yAt++, gAt++) {
        const h = state[hAt];
        const z = p[at + H];
        g_[gAt] = p[at];
        g_[gAt + H] = z;
        g_[gAt + 2 * H] = n[j];
        g_[gAt + 3 * H] = p[at + 2 * H];
        y_[yAt] = hold ? h : n[j] + z * (h - n[j]);
        state[hAt] = y_[yAt]; // as rounded, so that a cut between two calls changes nothing
      }
    }
  }
}

/**
 * inputs  dy [B, T, H], before [B, T, H] (the state each position started from), gates [B, T, 4H],
 *         weightHh [3H, H], then as the attributes say valid [B, T], resets [B, T]
 * outputs da [B, T, 3H] = gradient by xg, dp [B, T, 3H] = gradient by W_hh h + b_hh, dh0 [B, H]
 */
export function gruBackwardKernel(call: CpuCall<GruAttrs>): void {
  if (backwardInWasm(call)) return;
  const { inputs, outputs, attrs, scratch } = call;
  const { dy, before, gates, weight: w, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dp, dh0] = outputs;
  const [B, T, H] = dy.shape;
  const G = 3 * H;
  const ld = L.paddedWidth(H);

  const [rows, back, carry, panels] = L.pieces(scratch, [
    B * G, // dp of the step, packed rows
    B * ld, // dp · W_hh
    B * H, // gradient by the state after the step
    L.panelSize(H, G),
  ]);
  carry.fill(0);
  L.packPanels(w.data, w.offset, [G, H], [H, 1], panels);

  const dy_ = dy.data.subarray(dy.offset);
  const h_ = before.data.subarray(before.offset);
  const g_ = gates.data.subarray(gates.offset);
  const da_ = da.data.subarray(da.offset);
  const dp_ = dp.data.subarray(dp.offset);
  for (let s = T - 1; s >= 0; s--) {
    const t = attrs.reverse ? T - 1 - s : s;
    for (let b = 0; b < B; b++) {
      const step = L.rowStep(b, B);
      const shift = step * H;
      let rowOf = L.rowAt(b, B, G);
      let hAt = (b * T + t) * H;
      let gAt = 4 * hAt;
      let aAt = 3 * hAt;
      if (valid !== undefined && !valid.data[valid.offset + b * T + t]) {
        L.clearRow(rows, b, B, G);
        da_.fill(0, aAt, aAt + G);
        dp_.fill(0, aAt, aAt + G);
        for (let j = 0; j < H; j++) carry[b * H + j] += dy_[hAt + j];
        continue;
      }
      for (let j = 0, c = b * H; j < H; j++, c++, rowOf += step, hAt++, gAt++, aAt++) {
        const dh = dy_[hAt] + carry[c];
        const r = g_[gAt];
        const z = g_[gAt + H];
        const n = g_[gAt + 2 * H];
        const dn = dh * (1 - z) * (1 - n * n);
        const dr = dn * g_[gAt + 3 * H] * r * (1 - r);
        const dz = dh * (h_[hAt] - n) * z * (1 - z);
        const dq = dn * r;
        da_[aAt] = dr;
        da_[aAt + H] = dz;
        da_[aAt + 2 * H] = dn;
        dp_[aAt] = dr;
        dp_[aAt + H] = dz;
        dp_[aAt + 2 * H] = dq;
        rows[rowOf] = dr;
        rows[rowOf + shift] = dz;
        rows[rowOf + 2 * shift] = dq;
        carry[c] = dh * z;
      }
    }
    L.multiplyPanels(rows, panels, back, B, H, G);
    for (let b = 0; b < B; b++) {
      const cleared = resets !== undefined && resets.data[resets.offset + b * T + t];
      for (let j = 0, c = b * H, at = b * ld; j < H; j++, c++, at++)
        carry[c] = cleared ? 0 : carry[c] + back[at];
    }
  }
  for (let i = 0; i < B * H; i++) dh0.data[dh0.offset + i] = carry[i];
}

function forwardInWasm(call: CpuCall<GruAttrs>): boolean {
  const k = kernelsFor(call);
  if (k === null) return false;
  const { inputs, outputs, attrs, scratch } = call;
  const { xg, weight, h0, bias, valid, resets } = forwardInputs(inputs, attrs);
  const [y, gates] = outputs;
  const [B, T] = xg.shape;
  const H = h0.shape[1];
  const packed = B * T >= packFrom;
  const panels = scratch.byteOffset;
  const work = packed ? pack(k, panels, weight, [H, 3 * H], [1, H]) : panels;
  return runLoop(call, 'gru', B, 3 * B * T * H * H, (b, rows) => [
    ...[rowAt(y, b), rowAt(gates, b), rowAt(xg, b), rowAt(h0, b), bias ? address(bias) : 0],
    ...[address(weight), packed ? panels : 0, rowAt(valid, b), rowAt(resets, b)],
    ...[work + 4 * b * 4 * H, rows, T, H, Number(attrs.reverse)],
  ]);
}

function backwardInWasm(call: CpuCall<GruAttrs>): boolean {
  const k = kernelsFor(call);
  if (k === null) return false;
  const { inputs, outputs, attrs, scratch } = call;
  const { dy, before, gates, weight, valid, resets } = backwardInputs(inputs, attrs);
  const [da, dp, dh0] = outputs;
  const [B, T, H] = dy.shape;
  const panels = scratch.byteOffset;
  const work = pack(k, panels, weight, [3 * H, H], [H, 1]);
  return runLoop(call, 'gruGrad', B, 3 * B * T * H * H, (b, rows) => [
    ...[rowAt(da, b), rowAt(dp, b), rowAt(dh0, b), rowAt(dy, b), rowAt(before, b), rowAt(gates, b)],
    ...[panels, rowAt(valid, b), rowAt(resets, b), work + 4 * b * H, rows, T, H, Number(attrs.reverse)],
  ]);
}
