// What blocks of the CPU kernels share: pieces of scratch, and scores of a tile once its products are there.
import type { CpuView, Kernels } from '@seq/tensor';
import { HIDDEN } from './call.js';
import type { FlashAttrs, FlashInputs, Sizes } from './call.js';
import { dropping } from './dropped.js';
import { step } from './loops.js';
import { keyPlacing, placing } from './seen.js';

/** Queries and keys of a tile. */
export const ROWS = 64;
export const KEYS = 128;

/** n rounded up to a strip of packed columns. */
export const strips = (n: number): number => 8 * Math.ceil(n / 8);

/** Cuts a scratch block of f32 into pieces. */
export function pieces(scratch: Float64Array): (floats: number) => Float32Array<ArrayBuffer> {
  let at = 0;
  return (floats) => {
    const piece = new Float32Array(scratch.buffer as ArrayBuffer, scratch.byteOffset + 4 * at, floats);
    at += 2 * Math.ceil(floats / 2);
    return piece;
  };
}

/** Rows of a tile: queries i0 … of one head, or, with a single query, the heads h … of a group. */
export interface TileRows {
  readonly b: number;
  readonly h: number;
  readonly i0: number;
  readonly count: number;
  readonly byHead: boolean;
}

/** Scores of tiles under a call's rules. */
export interface Tiling {
  /** Finds the places of the rows; answers with the keys [first, end) that any of them may see. */
  open(rows: TileRows): readonly [first: number, end: number];
  /** Keys [a, z) of a block of n at j0 that row r may see, as columns; a ≥ z: none. */
  span(r: number, j0: number, n: number): readonly [a: number, z: number];
  /** Turns products of row r in columns [a, z) of `tile` at `at` into scores; what is not seen becomes −∞. */
  bend(
    r: number,
    j0: number,
    a: number,
    z: number,
    tile: Float32Array,
    at: number,
    bent?: Float32Array,
  ): void;
  /** Factors of dropout for row r, column a … z − 1; null without dropout. */
  kept(r: number, j0: number, a: number, z: number): Float64Array | null;
}

export function tiling(
  kernels: Kernels,
  inputs: FlashInputs<CpuView>,
  attrs: FlashAttrs,
  sizes: Sizes,
): Tiling {
  const { bias, slopes, key } = inputs;
  const { softcap, dropout, ring } = attrs;
  const { S } = sizes;
  const placeOf = placing(inputs, attrs, sizes);
  const positionOf = keyPlacing(inputs, attrs, sizes);
  const drop = key && dropping(key, dropout, sizes);
  const places = Array.from({ length: Math.max(ROWS, sizes.H) }, () => ({ p: 0, from: 0, to: 0 }));
  const factors = new Float64Array(drop ? KEYS : 0);
  const plain = softcap === 0 && !bias && !slopes && ring === 0;
  let rows: TileRows = { b: 0, h: 0, i0: 0, count: 0, byHead: false };
  const headOf = (r: number): number => rows.h + (rows.byHead ? r : 0);
  const queryOf = (r: number): number => rows.i0 + (rows.byHead ? 0 : r);
  return {
    open(next) {
      rows = next;
      let [first, end] = [S, 0];
      for (let r = 0; r < rows.count; r++) {
        placeOf(rows.b, queryOf(r), places[r]);
        if (places[r].from >= places[r].to) continue;
        first = Math.min(first, places[r].from);
        end = Math.max(end, places[r].to);
      }
      return ring > 0 ? [0, S] : [first, end];
    },
    span(r, j0, n) {
      if (ring > 0) return [0, n];
      return [Math.max(places[r].from - j0, 0), Math.min(places[r].to - j0, n)];
    },
    bend(r, j0, a, z, tile, at, bent) {
      if (plain) return;
      const { b } = rows;
      const [h, i, place] = [headOf(r), queryOf(r), places[r]];
      if (softcap > 0) {
        const x = tile.byteOffset + 4 * (at + a);
        kernels.scaleOf(x, z - a, 1 / softcap);
        kernels.tanhRow(x, x, 1, z - a);
        if (bent) for (let j = a; j < z; j++) bent[at + j] = 1 - tile[at + j] * tile[at + j];
        kernels.scaleOf(x, z - a, softcap);
      }
      const slope = slopes ? slopes.data[slopes.offset + b * step(slopes, 0) + h * step(slopes, 1)] : 0;
      const biasAt = bias ? bias.offset + b * step(bias, 0) + h * step(bias, 1) + i * step(bias, 2) : 0;
      if (!bias && !slopes && ring === 0) return;
      for (let j = a; j < z; j++) {
        const key = positionOf(b, j0 + j);
        const added = bias ? bias.data[biasAt + (j0 + j) * step(bias, 3)] : 0;
        if (added <= HIDDEN || key < place.from || key >= place.to) tile[at + j] = -Infinity;
        else tile[at + j] += added - slope * Math.abs(place.p - key);
      }
    },
    kept(r, j0, a, z) {
      if (!drop) return null;
      drop(rows.b, headOf(r), queryOf(r), j0 + a, j0 + z, factors);
      return factors;
    },
  };
}
