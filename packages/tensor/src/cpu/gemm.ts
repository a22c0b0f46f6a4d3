import type { Kernels } from '../wasm/kernels.js';
import { packedProduct } from './gemm-packed.js';
import type { FloatArray, StridedProduct } from './gemm-packed.js';
import { SKINNY_DEPTH, skinnyProduct } from './gemm-skinny.js';
import { heapOf } from './heap.js';

/** With this many rows and columns, copying both matrices into panels pays. */
const PACKED_FROM = 8;

const packed: StridedProduct = /* @__PURE__ */ packedProduct();
const skinny: StridedProduct = /* @__PURE__ */ skinnyProduct();

/**
 * C = A B, or C += A B when `add`, with strides for all three matrices.
 *
 * Every path adds the products of an element in the order of k: the result does not depend on strides, on the
 * other rows or on the path. The loops add in double, round once and equal the naive loop bit for bit. Arrays of
 * f32 in the heap of a device go to its WebAssembly kernel, which adds in f32, fused where the processor can.
 *
 * A [m, k]  element (i, l) at aOff + i aRow + l aCol
 * B [k, n]  element (l, j) at bOff + l bRow + j bCol
 * C [m, n]  element (i, j) at cOff + i cRow + j cCol; must not overlap A or B
 *
 * Strides may be 0 or negative. k = 0 gives zeros.
 */
export function gemmInto(
  m: number,
  n: number,
  k: number,
  a: FloatArray,
  aOff: number,
  aRow: number,
  aCol: number,
  b: FloatArray,
  bOff: number,
  bRow: number,
  bCol: number,
  c: FloatArray,
  cOff: number,
  cRow: number,
  cCol: number,
  add: boolean,
): void {
  if (m === 0 || n === 0) return;
  const kernels = sharedKernels(a, b, c);
  if (kernels !== null) {
    const [pa, pb, pc] = [a.byteOffset + 4 * aOff, b.byteOffset + 4 * bOff, c.byteOffset + 4 * cOff];
    if (wasmGemm(kernels, m, n, k, pa, aRow, aCol, pb, bRow, bCol, pc, cRow, cCol, add)) return;
  }
  if (k > SKINNY_DEPTH || (m >= PACKED_FROM && n >= PACKED_FROM)) {
    packed(m, n, k, a, aOff, aRow, aCol, b, bOff, bRow, bCol, c, cOff, cRow, cCol, add);
  } else if (m <= n) {
    skinny(m, n, k, a, aOff, aRow, aCol, b, bOff, bRow, bCol, c, cOff, cRow, cCol, add);
  } else {
    // Transposed, so that the matrix with few columns is the one with few rows.
    skinny(n, m, k, b, bOff, bCol, bRow, a, aOff, aCol, aRow, c, cOff, cCol, cRow, add);
  }
}

/** The kernels of the heap in which three arrays of f32 lie. */
function sharedKernels(a: FloatArray, b: FloatArray, c: FloatArray): Kernels | null {
  if (!(a instanceof Float32Array && b instanceof Float32Array && c instanceof Float32Array)) return null;
  const { buffer } = c;
  return a.buffer === buffer && b.buffer === buffer ? (heapOf(buffer)?.kernels ?? null) : null;
}

/**
 * The WebAssembly product, by addresses in bytes and strides in elements; m and n at least 1.
 *
 * @returns false when C has contiguous elements neither along rows nor along columns; nothing is done then
 */
export function wasmGemm(
  kernels: Kernels,
  m: number,
  n: number,
  k: number,
  a: number,
  aRow: number,
  aCol: number,
  b: number,
  bRow: number,
  bCol: number,
  c: number,
  cRow: number,
  cCol: number,
  add: boolean,
): boolean {
  // A column of C is a row of its transpose: the kernels for few rows then serve few columns.
  if (cRow === 1 && (n === 1 || cCol !== 1)) {
    kernels.gemm(n, m, k, b, bCol, bRow, a, aCol, aRow, c, cCol, add);
    return true;
  }
  if (cCol !== 1 && n !== 1) return false;
  kernels.gemm(m, n, k, a, aRow, aCol, b, bRow, bCol, c, cRow, add);
  return true;
}

/**
 * C = A B with C contiguous by rows: the kernel of `matmul`.
 *
 * A [m, k]  element (i, l) at aOff + i aRow + l aCol
 * B [k, n]  element (l, j) at bOff + l bRow + j bCol
 * C [m, n]  element (i, j) at cOff + i n + j
 */
export function gemm(
  m: number,
  n: number,
  k: number,
  a: FloatArray,
  aOff: number,
  aRow: number,
  aCol: number,
  b: FloatArray,
  bOff: number,
  bRow: number,
  bCol: number,
  c: FloatArray,
  cOff: number,
): void {
  gemmInto(m, n, k, a, aOff, aRow, aCol, b, bOff, bRow, bCol, c, cOff, n, 1, false);
}
