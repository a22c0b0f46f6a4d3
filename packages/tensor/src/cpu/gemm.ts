import { packedProduct } from './gemm-packed.js';
import type { FloatArray, StridedProduct } from './gemm-packed.js';
import { SKINNY_DEPTH, skinnyProduct } from './gemm-skinny.js';

/** With this many rows and columns, copying both matrices into panels pays. */
const PACKED_FROM = 8;

const packed: StridedProduct = /* @__PURE__ */ packedProduct();
const skinny: StridedProduct = /* @__PURE__ */ skinnyProduct();

/**
 * C = A B, or C += A B when `add`, with strides for all three matrices.
 *
 * Every path adds the products of an element in the order of k, in double, and rounds once: the result
 * does not depend on strides or on the other rows, and equals the naive loop bit for bit.
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
  if (k > SKINNY_DEPTH || (m >= PACKED_FROM && n >= PACKED_FROM)) {
    packed(m, n, k, a, aOff, aRow, aCol, b, bOff, bRow, bCol, c, cOff, cRow, cCol, add);
  } else if (m <= n) {
    skinny(m, n, k, a, aOff, aRow, aCol, b, bOff, bRow, bCol, c, cOff, cRow, cCol, add);
  } else {
    // Transposed, so that the matrix with few columns is the one with few rows.
    skinny(n, m, k, b, bOff, bCol, bRow, a, aOff, aCol, aRow, c, cOff, cCol, cRow, add);
  }
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
