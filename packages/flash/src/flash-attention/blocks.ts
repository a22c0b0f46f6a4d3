// The CPU forward kernel in blocks: products of a tile by the kernels of the device, softmax online. Beyond inputs and
// outputs it holds keys and values of one head, packed, and one tile.
import { address } from '@seq/tensor';
import type { CpuCall, CpuView, Kernels } from '@seq/tensor';
import { HIDDEN, named, sizesOf } from './call.js';
import type { FlashAttrs, Sizes } from './call.js';
import { KEYS, pieces, ROWS, strips, tiling } from './tile.js';
import type { TileRows } from './tile.js';

/** With fewer queries packing costs more than it saves. */
const PACK_FROM = 24;

/** Queries of a tile, of sizes that have few. */
const rowsOf = ({ T, H, G }: Sizes): number => (T === 1 ? H / G : Math.min(T, ROWS));

/** Bytes of scratch. */
export function forwardBlockScratch(sizes: Sizes): number {
  const { T, S, D, V } = sizes;
  const rows = rowsOf(sizes);
  const packed = T < PACK_FROM ? 0 : (S + KEYS) * (D + strips(V));
  return 4 * (packed + rows * (D + KEYS + V) + 16);
}

/** Address of row (b, t, h) of a view [B, T, H, D]. */
export function rowAddress(x: CpuView, b: number, t: number, h: number): number {
  return address(x) + 4 * (b * x.strides[0] + t * x.strides[1] + h * x.strides[2]);
}

/** o and lse, tile by tile. */
export function forwardBlocks(call: CpuCall<FlashAttrs>, kernels: Kernels): void {
  const { inputs, outputs, attrs, scratch } = call;
  const all = named(inputs, attrs);
  const sizes = sizesOf(all);
  const { B, T, S, H, G, D, V } = sizes;
  const { q, k, v } = all;
  const [o, lse] = outputs;
  const R = H / G;
  const packs = T >= PACK_FROM;
  const piece = pieces(scratch);
  const keys = piece(packs ? (S + KEYS) * D : 0);
  const values = piece(packs ? (S + KEYS) * strips(V) : 0);
  const height = rowsOf(sizes);
  const query = piece(height * D);
  const tile = piece(height * KEYS);
  const sums = piece(height * V);
  const largest = new Float64Array(height);
  const totals = new Float64Array(height);
  const rules = tiling(kernels, all, attrs, sizes);
  const [keyStep, valueStep] = [k.strides[1], v.strides[1]];

  /** tile = queries · keys of a block. */
  const scores = (m: number, n: number, j0: number, b: number, g: number): void => {
    const [a, c] = [query.byteOffset, tile.byteOffset];
    if (packs) kernels.gemmPacked(m, n, D, a, D, 1, keys.byteOffset + 4 * j0 * D, c, KEYS, false);
    else kernels.gemm(m, n, D, a, D, 1, rowAddress(k, b, j0, g), 1, keyStep, c, KEYS, false);
  };
  /** sums += tile · values of a block. */
  const weigh = (m: number, n: number, j0: number, b: number, g: number): void => {
    const [a, c] = [tile.byteOffset, sums.byteOffset];
    if (packs) kernels.gemmPacked(m, V, n, a, KEYS, 1, values.byteOffset + 4 * j0 * strips(V), c, V, true);
    else kernels.gemm(m, V, n, a, KEYS, 1, rowAddress(v, b, j0, g), valueStep, 1, c, V, true);
  };

  const block = (rows: TileRows, g: number): void => {
    const { b, h, i0, count: m, byHead } = rows;
    kernels.copyRows(query.byteOffset, D, m, rowAddress(q, b, i0, h), 1, q.strides[byHead ? 2 : 1]);
    kernels.scaleOf(query.byteOffset, m * D, attrs.scale);
    sums.fill(0, 0, m * V);
    largest.fill(-Infinity);
    totals.fill(0);
    const [first, end] = rules.open(rows);
    for (let j0 = KEYS * Math.floor(first / KEYS); j0 < end; j0 += KEYS) {
      const n = Math.min(KEYS, S - j0);
      scores(m, n, j0, b, g);
      for (let r = 0; r < m; r++) {
        const at = r * KEYS;
        const [a, z] = rules.span(r, j0, n);
        if (a < z) rules.bend(r, j0, a, z, tile, at);
        const x = tile.byteOffset + 4 * (at + a);
        const top = a < z ? kernels.maxOf(x, z - a) : -Infinity;
        if (top <= HIDDEN) {
          tile.fill(0, at, at + n);
          continue;
        }
        if (top > largest[r]) {
          const by = Math.exp(largest[r] - top);
          kernels.scaleOf(sums.byteOffset + 4 * r * V, V, by);
          totals[r] *= by;
          largest[r] = top;
        }
        totals[r] += kernels.expStoreOf(x, x, z - a, largest[r]);
        if (a > 0) tile.fill(0, at, at + a);
        if (z < n) tile.fill(0, at + z, at + n);
        const kept = rules.kept(r, j0, a, z);
        if (kept) for (let j = a; j < z; j++) tile[at + j] *= kept[j - a];
      }
      weigh(m, n, j0, b, g);
    }
    for (let r = 0; r < m; r++) {
      const [head, i] = byHead ? [h + r, i0] : [h, i0 + r];
      kernels.scaleOf(sums.byteOffset + 4 * r * V, V, totals[r] > 0 ? 1 / totals[r] : 0);
      o.data.set(sums.subarray(r * V, (r + 1) * V), o.offset + ((b * T + i) * H + head) * V);
      lse.data[lse.offset + (b * H + head) * T + i] = largest[r] + Math.log(totals[r]);
    }
  };

  for (let b = 0; b < B; b++)
    for (let g = 0; g < G; g++) {
      for (let j0 = 0; packs && j0 < S; j0 += KEYS) {
        const n = Math.min(KEYS, S - j0);
        kernels.packColumns(keys.byteOffset + 4 * j0 * D, n, D, rowAddress(k, b, j0, g), 1, keyStep);
        const to = values.byteOffset + 4 * j0 * strips(V);
        kernels.packColumns(to, V, n, rowAddress(v, b, j0, g), valueStep, 1);
      }
      if (T === 1) block({ b, h: g * R, i0: 0, count: R, byHead: true }, g);
      else
        for (let h = g * R; h < (g + 1) * R; h++)
          for (let i0 = 0; i0 < T; i0 += height)
            block({ b, h, i0, count: Math.min(height, T - i0), byHead: false }, g);
    }
}
