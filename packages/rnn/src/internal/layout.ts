import { kernelsOf } from '@seq/tensor';
import type { CpuCall, Kernels } from '@seq/tensor';
import { sigmoidRow, tanhRow } from './math.js';
import {
  clearRow,
  multiplyPanels,
  multiplyRows,
  packPanels,
  packRows,
  paddedWidth,
  panelDoubles,
  pieces,
  rowAt,
  rowStep,
} from './panels.js';

/** Numbers inside a time loop: double in the loops, single on the kernels of the device. */
export type Floats = Float32Array | Float64Array;

type Pair = readonly [number, number];

/**
 * How a time loop keeps its rows and its recurrent weights, and what multiplies and bends them: for f32 on a device
 * with WebAssembly its kernels, else the loops of `panels.ts` and `math.ts`, where the functions are explained.
 */
export interface Layout {
  pieces(scratch: Float64Array, sizes: readonly number[]): Floats[];
  paddedWidth(N: number): number;
  panelSize(N: number, K: number): number;
  rowAt(row: number, M: number, K: number): number;
  rowStep(row: number, M: number): number;
  packPanels(source: ArrayLike<number>, offset: number, KN: Pair, strides: Pair, to: Floats): void;
  packRows(source: ArrayLike<number>, offset: number, M: number, K: number, rows: Floats): void;
  clearRow(rows: Floats, row: number, M: number, K: number): void;
  multiplyPanels(rows: Floats, panels: Floats, out: Floats, M: number, N: number, K: number): void;
  multiplyRows(
    rows: Floats,
    W: ArrayLike<number>,
    offset: number,
    out: Floats,
    M: number,
    N: number,
    K: number,
  ): void;
  sigmoidRow(a: Floats, from: number, to: number): void;
  tanhRow(a: Floats, from: number, to: number): void;
}

/** Of a loop in double, the only one where `wasm.ts` runs the others. The arrays are those of `pieces`. */
export const doubles = {
  pieces,
  paddedWidth,
  panelSize: panelDoubles,
  rowAt,
  rowStep,
  packPanels,
  packRows,
  clearRow,
  multiplyPanels,
  multiplyRows,
  sigmoidRow,
  tanhRow,
} as Layout;

const single: WeakMap<Kernels, Layout> = /* @__PURE__ */ new WeakMap();

/** Address of an element of an f32 array in the heap. */
const addressOf = (a: ArrayLike<number>, i: number = 0): number => (a as Float32Array).byteOffset + 4 * i;

/** Of a loop on the kernels of a device: rows lie as they are, weights in packed columns. */
function singles(k: Kernels): Layout {
  return {
    pieces(scratch, sizes) {
      let from = scratch.byteOffset;
      return sizes.map((n) => {
        const piece = new Float32Array(scratch.buffer, from, n);
        from += 4 * n;
        return piece;
      });
    },
    paddedWidth: (N) => N,
    panelSize: (N, K) => 8 * Math.ceil(N / 8) * K,
    rowAt: (row, _, K) => row * K,
    rowStep: () => 1,
    packPanels: (source, offset, [K, N], [strideK, strideN], to) =>
      k.packColumns(addressOf(to, 0), N, K, addressOf(source, offset), strideK, strideN),
    packRows(source, offset, M, K, rows) {
      for (let i = 0; i < M * K; i++) rows[i] = source[offset + i];
    },
    clearRow: (rows, row, _, K) => void rows.fill(0, row * K, (row + 1) * K),
    multiplyPanels: (rows, packed, out, M, N, K) =>
      k.gemmPacked(M, N, K, addressOf(rows, 0), K, 1, addressOf(packed, 0), addressOf(out, 0), N, false),
    multiplyRows: (rows, W, offset, out, M, N, K) =>
      k.gemm(M, N, K, addressOf(rows, 0), K, 1, addressOf(W, offset), 1, K, addressOf(out, 0), N, false),
    sigmoidRow: (a, from, to) => k.sigmoidRow(addressOf(a, from), addressOf(a, from), 1, to - from),
    tanhRow: (a, from, to) => k.tanhRow(addressOf(a, from), addressOf(a, from), 1, to - from),
  };
}

/** The layout for the operands of a call. */
export function layoutOf(call: CpuCall<unknown>): Layout {
  const kernels = call.inputs[0].data instanceof Float32Array ? kernelsOf(call) : null;
  if (kernels === null) return doubles;
  let layout = single.get(kernels);
  if (layout === undefined) single.set(kernels, (layout = singles(kernels)));
  return layout;
}
