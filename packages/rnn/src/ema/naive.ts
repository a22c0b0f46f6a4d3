/**
 * The definition of the exponential moving average, position by position.
 *
 *   h_t = a h_{t−1} + (1 − a) x_t
 *
 * @param x   [B, T, C]
 * @param a   [C]     decay
 * @param h0  [B, C]  zero if absent
 * @returns y [B, T, C], the averages after each position, and h [B, C], the last one
 */
export function emaNaive(
  { x, a, h0 }: { x: ArrayLike<number>; a: ArrayLike<number>; h0?: ArrayLike<number> },
  { B, T, C }: { B: number; T: number; C: number },
): { y: Float64Array; h: Float64Array } {
  const y = new Float64Array(B * T * C);
  const h = new Float64Array(B * C);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      let mean = h0 ? h0[b * C + c] : 0;
      for (let t = 0; t < T; t++) {
        mean = a[c] * mean + (1 - a[c]) * x[(b * T + t) * C + c];
        y[(b * T + t) * C + c] = mean;
      }
      h[b * C + c] = mean;
    }
  }
  return { y, h };
}
