/**
 * The definition: y_t = x_t E, one position at a time.
 *
 * @param x      [B, T, C]
 * @param table  [C, C]     row = input, column = output
 * @returns      [B, T, C]
 */
export function bigramNaive(
  x: Float64Array,
  table: Float64Array,
  { B, T, C }: { readonly B: number; readonly T: number; readonly C: number },
): Float64Array {
  const y = new Float64Array(B * T * C);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const at = (b * T + t) * C;
      for (let i = 0; i < C; i++) {
        for (let j = 0; j < C; j++) y[at + j] += x[at + i] * table[i * C + j];
      }
    }
  }
  return y;
}
