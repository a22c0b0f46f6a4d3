/**
 * The small matrix product inside a time loop: `out = A · B` with A a few batch rows that change every
 * step and B the recurrent weights, which are the same for all steps and therefore packed once.
 *
 * Layouts, all in doubles (sums are kept in f64 whatever the tensors are):
 *
 *   panels  [⌈N/3⌉][K][3]   three columns of B side by side, the last panel padded with zeros
 *   rows    two rows of A side by side [K][2]; an odd last row lies alone [K] (see `rowAt`)
 *   out     [M][ld]         ld = `paddedWidth(N)`, so that a padded panel stays inside its row
 *
 * Two rows by three columns is the largest block whose sums all stay in registers. Every path adds the K
 * products of an element in order, so results do not depend on the path or on the other rows.
 */

/** Below this many rows over all steps, packing the recurrent weights costs more than it saves. */
export const packFrom = 4;

/** N rounded up to whole panels. */
export function paddedWidth(N: number): number {
  return Math.ceil(N / 3) * 3;
}

/** Doubles that the panels of a [K, N] matrix take; enough for columns of 8 in f32 too (see `layout.ts`). */
export function panelDoubles(N: number, K: number): number {
  return Math.max(paddedWidth(N), 4 * Math.ceil(N / 8)) * K;
}

/** Place of row `row`, column 0 among M packed rows of depth K; the next columns follow by `rowStep`. */
export function rowAt(row: number, M: number, K: number): number {
  return row < (M & ~1) ? (row & ~1) * K + (row & 1) : row * K;
}

/** Distance between neighbouring columns of row `row` among M packed rows. */
export function rowStep(row: number, M: number): number {
  return row < (M & ~1) ? 2 : 1;
}

/** Packs a matrix whose element (k, n) is `source[offset + k·strideK + n·strideN]`. */
export function packPanels(
  source: ArrayLike<number>,
  offset: number,
  [K, N]: readonly [K: number, N: number],
  [strideK, strideN]: readonly [strideK: number, strideN: number],
  panels: Float64Array,
): void {
  for (let n = 0, width = paddedWidth(N); n < width; n++) {
    let to = (n - (n % 3)) * K + (n % 3);
    let from = offset + n * strideN;
    for (let k = 0; k < K; k++, to += 3, from += strideK) panels[to] = n < N ? source[from] : 0;
  }
}

/** Packs row-major rows [M, K]. */
export function packRows(
  source: ArrayLike<number>,
  offset: number,
  M: number,
  K: number,
  rows: Float64Array,
): void {
  for (let m = 0; m < M; m++) {
    const step = rowStep(m, M);
    for (let k = 0, i = rowAt(m, M, K); k < K; k++, i += step) rows[i] = source[offset + m * K + k];
  }
}

/** Sets one packed row to zero. */
export function clearRow(rows: Float64Array, row: number, M: number, K: number): void {
  const step = rowStep(row, M);
  for (let k = 0, i = rowAt(row, M, K); k < K; k++, i += step) rows[i] = 0;
}

/** out [M, ld] = rows [M, K] · panels [K, N]. */
export function multiplyPanels(
  rows: Float64Array,
  panels: Float64Array,
  out: Float64Array,
  M: number,
  N: number,
  K: number,
): void {
  const ld = paddedWidth(N);
  const paired = M & ~1;
  for (let n = 0; n < ld; n += 3) {
    const panel = (n * K) | 0;
    let i = 0;
    for (let m = 0; m < paired; m += 2) {
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let b0 = 0;
      let b1 = 0;
      let b2 = 0;
      let j = panel;
      const end = (i + 2 * K) | 0;
      while (i < end) {
        const a = rows[i];
        const b = rows[(i + 1) | 0];
        const w0 = panels[j];
        const w1 = panels[(j + 1) | 0];
        const w2 = panels[(j + 2) | 0];
        a0 += a * w0;
        b0 += b * w0;
        a1 += a * w1;
        b1 += b * w1;
        a2 += a * w2;
        b2 += b * w2;
        i = (i + 2) | 0;
        j = (j + 3) | 0;
      }
      const at = (m * ld + n) | 0;
      out[at] = a0;
      out[at + 1] = a1;
      out[at + 2] = a2;
      out[at + ld] = b0;
      out[at + ld + 1] = b1;
      out[at + ld + 2] = b2;
    }
    if (paired < M) oneRow(rows, i, panels, panel, K, out, paired * ld + n);
  }
}

function oneRow(
  rows: Float64Array,
  row: number,
  panels: Float64Array,
  panel: number,
  K: number,
  out: Float64Array,
  at: number,
): void {
  let a0 = 0;
  let a1 = 0;
  let a2 = 0;
  const end = row + K;
  for (let i = row, j = panel; i < end; i++, j += 3) {
    const a = rows[i];
    a0 += a * panels[j];
    a1 += a * panels[j + 1];
    a2 += a * panels[j + 2];
  }
  out[at] = a0;
  out[at + 1] = a1;
  out[at + 2] = a2;
}

/**
 * out [M, ld] = rows [M, K] · Wᵀ with W [N, K] as it lies in memory: for a position or two, where packing
 * would cost more than it saves.
 */
export function multiplyRows(
  rows: Float64Array,
  W: ArrayLike<number>,
  offset: number,
  out: Float64Array,
  M: number,
  N: number,
  K: number,
): void {
  const ld = paddedWidth(N);
  for (let m = 0; m < M; m++) {
    const step = rowStep(m, M);
    const first = rowAt(m, M, K);
    let n = 0;
    for (; n + 4 <= N; n += 4) {
      const w0 = offset + n * K;
      const w1 = w0 + K;
      const w2 = w1 + K;
      const w3 = w2 + K;
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let a3 = 0;
      for (let k = 0, i = first; k < K; k++, i += step) {
        const a = rows[i];
        a0 += a * W[w0 + k];
        a1 += a * W[w1 + k];
        a2 += a * W[w2 + k];
        a3 += a * W[w3 + k];
      }
      const at = m * ld + n;
      out[at] = a0;
      out[at + 1] = a1;
      out[at + 2] = a2;
      out[at + 3] = a3;
    }
    for (; n < N; n++) {
      let a = 0;
      for (let k = 0, i = first; k < K; k++, i += step) a += rows[i] * W[offset + n * K + k];
      out[m * ld + n] = a;
    }
  }
}

/** Cuts a scratch buffer into pieces, front to back. */
export function pieces(scratch: Float64Array, sizes: readonly number[]): Float64Array[] {
  let at = 0;
  return sizes.map((n) => scratch.subarray(at, (at += n)));
}
