import type { FloatArray, StridedProduct } from './gemm-packed.js';

/** The largest K of the product by rows. */
export const SKINNY_DEPTH = 4096;

/**
 * The product for few rows of A: packing B would cost more than it brings, so B is read in place.
 *
 * A goes into a panel that is a constant of the closure (see `packedProduct`; 128 KiB a thread).
 */
export function skinnyProduct(): StridedProduct {
  const panel = new Float64Array(4 * SKINNY_DEPTH);

  /** One row of C: the vector in panel times a matrix read in place, 8 columns at a time. */
  function rowTimes(
    n: number,
    k: number,
    b: FloatArray,
    bOff: number,
    bRow: number,
    bCol: number,
    c: FloatArray,
    cOff: number,
    cCol: number,
    add: boolean,
  ): void {
    const s = bCol | 0;
    const step = bRow | 0;
    let o = cOff | 0;
    let j = 0;
    for (; j + 8 <= n; j += 8) {
      let c0 = 0;
      let c1 = 0;
      let c2 = 0;
      let c3 = 0;
      let c4 = 0;
      let c5 = 0;
      let c6 = 0;
      let c7 = 0;
      let q = (bOff + j * bCol) | 0;
      for (let kk = 0; kk < k; kk++) {
        const a = panel[kk];
        c0 += a * b[q];
        c1 += a * b[(q + s) | 0];
        c2 += a * b[(q + 2 * s) | 0];
        c3 += a * b[(q + 3 * s) | 0];
        c4 += a * b[(q + 4 * s) | 0];
        c5 += a * b[(q + 5 * s) | 0];
        c6 += a * b[(q + 6 * s) | 0];
        c7 += a * b[(q + 7 * s) | 0];
        q = (q + step) | 0;
      }
      c[o] = add ? c[o] + c0 : c0;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c1 : c1;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c2 : c2;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c3 : c3;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c4 : c4;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c5 : c5;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c6 : c6;
      o = (o + cCol) | 0;
      c[o] = add ? c[o] + c7 : c7;
      o = (o + cCol) | 0;
    }
    for (; j < n; j++) {
      let sum = 0;
      let q = (bOff + j * bCol) | 0;
      for (let kk = 0; kk < k; kk++) {
        sum += panel[kk] * b[q];
        q = (q + step) | 0;
      }
      c[o] = add ? c[o] + sum : sum;
      o = (o + cCol) | 0;
    }
  }

  /** Four rows of C: panel as [k][4] times a matrix read in place, 2 columns and 2 products at a time. */
  function fourRowsTimes(
    n: number,
    k: number,
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
    const s = bCol | 0;
    const step = bRow | 0;
    const pairs = k >> 1;
    for (let j = 0; j < n; j += 2) {
      // An odd last column is computed twice.
      const s1 = j + 1 < n ? s : 0;
      let c00 = 0;
      let c01 = 0;
      let c10 = 0;
      let c11 = 0;
      let c20 = 0;
      let c21 = 0;
      let c30 = 0;
      let c31 = 0;
      let p = 0;
      let q = (bOff + j * bCol) | 0;
      for (let kk = 0; kk < pairs; kk++) {
        const b0 = b[q];
        const b1 = b[(q + s1) | 0];
        const a0 = panel[p];
        const a1 = panel[(p + 1) | 0];
        const a2 = panel[(p + 2) | 0];
        const a3 = panel[(p + 3) | 0];
        c00 += a0 * b0;
        c10 += a1 * b0;
        c20 += a2 * b0;
        c30 += a3 * b0;
        c01 += a0 * b1;
        c11 += a1 * b1;
        c21 += a2 * b1;
        c31 += a3 * b1;
        q = (q + step) | 0;
        const d0 = b[q];
        const d1 = b[(q + s1) | 0];
        const e0 = panel[(p + 4) | 0];
        const e1 = panel[(p + 5) | 0];
        const e2 = panel[(p + 6) | 0];
        const e3 = panel[(p + 7) | 0];
        c00 += e0 * d0;
        c10 += e1 * d0;
        c20 += e2 * d0;
        c30 += e3 * d0;
        c01 += e0 * d1;
        c11 += e1 * d1;
        c21 += e2 * d1;
        c31 += e3 * d1;
        q = (q + step) | 0;
        p = (p + 8) | 0;
      }
      if ((k & 1) === 1) {
        const b0 = b[q];
        const b1 = b[(q + s1) | 0];
        c00 += panel[p] * b0;
        c10 += panel[(p + 1) | 0] * b0;
        c20 += panel[(p + 2) | 0] * b0;
        c30 += panel[(p + 3) | 0] * b0;
        c01 += panel[p] * b1;
        c11 += panel[(p + 1) | 0] * b1;
        c21 += panel[(p + 2) | 0] * b1;
        c31 += panel[(p + 3) | 0] * b1;
      }
      for (let column = 0; column < 2 && j + column < n; column++) {
        const o = cOff + (j + column) * cCol;
        const v0 = column === 0 ? c00 : c01;
        const v1 = column === 0 ? c10 : c11;
        const v2 = column === 0 ? c20 : c21;
        const v3 = column === 0 ? c30 : c31;
        c[o] = add ? c[o] + v0 : v0;
        c[o + cRow] = add ? c[o + cRow] + v1 : v1;
        c[o + 2 * cRow] = add ? c[o + 2 * cRow] + v2 : v2;
        c[o + 3 * cRow] = add ? c[o + 3 * cRow] + v3 : v3;
      }
    }
  }

  /** Few rows: A goes into the panel, four rows or one at a time; B is read in place. K <= SKINNY_DEPTH. */
  return function skinny(
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
    let i = 0;
    for (; i + 4 <= m; i += 4) {
      for (let r = 0; r < 4; r++) {
        let p = (aOff + (i + r) * aRow) | 0;
        for (let d = r; d < 4 * k; d += 4) {
          panel[d] = a[p];
          p = (p + aCol) | 0;
        }
      }
      fourRowsTimes(n, k, b, bOff, bRow, bCol, c, cOff + i * cRow, cRow, cCol, add);
    }
    for (; i < m; i++) {
      let p = (aOff + i * aRow) | 0;
      for (let kk = 0; kk < k; kk++) {
        panel[kk] = a[p];
        p = (p + aCol) | 0;
      }
      rowTimes(n, k, b, bOff, bRow, bCol, c, cOff + i * cRow, cCol, add);
    }
  };
}
