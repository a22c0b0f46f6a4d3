// The CPU backward kernel in blocks: weights of a tile are made again from lse, its five products are the device's.
// Each block of keys meets all queries that see it; gradients add up in place.
import type { CpuCall, CpuView, Kernels } from '@seq/tensor';
import { rowAddress } from './blocks.js';
import { named, namedGrad, sizesOf } from './call.js';
import type { FlashGradAttrs, Sizes } from './call.js';
import { rowAt, step } from './loops.js';
import { KEYS, pieces, ROWS, strips, tiling } from './tile.js';

/** Bytes of scratch: packed operands and a tile. */
export function backwardBlockScratch({ D, V }: Sizes): number {
  return 4 * (KEYS * (D + V + strips(D)) + ROWS * (D + strips(D) + strips(V) + 3 * KEYS) + 32);
}

/** Gradients by q, k, v and bias, tile by tile. */
export function backwardBlocks(call: CpuCall<FlashGradAttrs>, kernels: Kernels): void {
  const { inputs, outputs, attrs, scratch } = call;
  const { dO, dLse, o, lse, forward } = namedGrad(inputs, attrs);
  const all = named(forward, attrs);
  const sizes = sizesOf(all);
  const { B, T, S, H, G, D, V } = sizes;
  const { q, k, v } = all;
  const [dq, dk, dv, dBias] = outputs;
  for (const x of outputs) x.data.fill(0, x.offset, x.offset + x.shape.reduce((n, d) => n * d, 1));
  const R = H / G;
  const piece = pieces(scratch);
  const [keysAcross, valuesAcross, keysDown] = [piece(KEYS * D), piece(KEYS * V), piece(KEYS * strips(D))];
  const [query, queryDown, byDown] = [piece(ROWS * D), piece(ROWS * strips(D)), piece(ROWS * strips(V))];
  const [weights, errors, bent] = [piece(ROWS * KEYS), piece(ROWS * KEYS), piece(ROWS * KEYS)];
  const rules = tiling(kernels, all, attrs, sizes);
  const deltas = new Float64Array(R * T);
  const norms = new Float64Array(R * T);

  /** Turns products of row r into weights, as dropout left them, and errors of scores. */
  const row = (r: number, h: number, i: number, b: number, j0: number, n: number): void => {
    const [a, z] = rules.span(r, j0, n);
    const norm = norms[(h % R) * T + i];
    const base = r * KEYS;
    if (a >= z || norm === -Infinity) {
      weights.fill(0, base, base + n);
      errors.fill(0, base, base + n);
      return;
    }
    rules.bend(r, j0, a, z, weights, base, bent);
    const x = weights.byteOffset + 4 * (base + a);
    kernels.expStoreOf(x, x, z - a, norm);
    const kept = rules.kept(r, j0, a, z);
    const delta = deltas[(h % R) * T + i];
    if (kept)
      for (let j = a; j < z; j++) {
        const p = weights[base + j];
        weights[base + j] = p * kept[j - a];
        errors[base + j] = p * (errors[base + j] * kept[j - a] - delta);
      }
    else for (let j = base + a; j < base + z; j++) errors[j] = weights[j] * (errors[j] - delta);
    if (a > 0) clear(base, base + a);
    if (z < n) clear(base + z, base + n);
    if (dBias) {
      const by = step(dBias, 3);
      const to = dBias.offset + b * step(dBias, 0) + h * step(dBias, 1) + i * step(dBias, 2) + j0 * by;
      for (let j = a; j < z; j++) dBias.data[to + j * by] += errors[base + j];
    }
    if (attrs.softcap > 0) for (let j = base + a; j < base + z; j++) errors[j] *= bent[j];
  };
  const clear = (from: number, to: number): void => {
    weights.fill(0, from, to);
    errors.fill(0, from, to);
  };

  for (let b = 0; b < B; b++)
    for (let g = 0; g < G; g++) {
      for (let h = g * R; h < (g + 1) * R; h++)
        for (let i = 0; i < T; i++) {
          deltas[(h % R) * T + i] = dotRows(dO, o, b, i, h, V) - (dLse ? ofRow(dLse, b, h, i) : 0);
          norms[(h % R) * T + i] = ofRow(lse, b, h, i);
        }
      for (let j0 = 0; j0 < S; j0 += KEYS) {
        const n = Math.min(KEYS, S - j0);
        const [key, value] = [rowAddress(k, b, j0, g), rowAddress(v, b, j0, g)];
        kernels.packColumns(keysAcross.byteOffset, n, D, key, 1, k.strides[1]);
        kernels.packColumns(valuesAcross.byteOffset, n, V, value, 1, v.strides[1]);
        kernels.packColumns(keysDown.byteOffset, D, n, key, k.strides[1], 1);
        kernels.scaleOf(keysDown.byteOffset, n * strips(D), attrs.scale);
        const [toK, toV] = [rowAddress(dk, b, j0, g), rowAddress(dv, b, j0, g)];
        for (let h = g * R; h < (g + 1) * R; h++)
          for (let i0 = 0; i0 < T; i0 += ROWS) {
            const m = Math.min(ROWS, T - i0);
            const [first, end] = rules.open({ b, h, i0, count: m, byHead: false });
            if (end <= j0 || first >= j0 + n) continue;
            const [at, by] = [query.byteOffset, rowAddress(dO, b, i0, h)];
            kernels.copyRows(at, D, m, rowAddress(q, b, i0, h), 1, q.strides[1]);
            kernels.scaleOf(at, m * D, attrs.scale);
            kernels.packColumns(queryDown.byteOffset, D, m, at, D, 1);
            kernels.packColumns(byDown.byteOffset, V, m, by, dO.strides[1], 1);
            const [p, e] = [weights.byteOffset, errors.byteOffset];
            kernels.gemmPacked(m, n, D, at, D, 1, keysAcross.byteOffset, p, KEYS, false);
            kernels.gemmPacked(m, n, V, by, dO.strides[1], 1, valuesAcross.byteOffset, e, KEYS, false);
            for (let r = 0; r < m; r++) row(r, h, i0 + r, b, j0, n);
            kernels.gemmPacked(n, V, m, p, 1, KEYS, byDown.byteOffset, toV, G * V, true);
            kernels.gemmPacked(n, D, m, e, 1, KEYS, queryDown.byteOffset, toK, G * D, true);
            const toQ = rowAddress(dq, b, i0, h);
            kernels.gemmPacked(m, D, n, e, KEYS, 1, keysDown.byteOffset, toQ, H * D, true);
          }
      }
    }
}

function ofRow(x: CpuView, b: number, h: number, i: number): number {
  return x.data[x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2]];
}

/** Σ_d x y over the last axis of row (b, t, h). */
function dotRows(x: CpuView, y: CpuView, b: number, t: number, h: number, n: number): number {
  const [p, q] = [rowAt(x, b, t, h), rowAt(y, b, t, h)];
  let sum = 0;
  for (let d = 0; d < n; d++) sum += x.data[p + d] * y.data[q + d];
  return sum;
}
