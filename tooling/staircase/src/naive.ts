/**
 * The definition of the gamma memory: a delay line of leaky taps, channel by channel, position by position.
 *
 *   g_0 ← x      g_k ← g_k + μ (g_{k−1} − g_k), from the values before, k = 1 … N − 1
 *
 * @returns g [B, T, C, N], the taps after each position
 */
export function gammaTapsNaive(
  { x, rate, taps }: Record<'x' | 'rate' | 'taps', ArrayLike<number>>, // [B, T, C], [C], [B, C, N]
  { B, T, C, N }: Record<'B' | 'T' | 'C' | 'N', number>,
): Float64Array {
  const g = new Float64Array(B * T * C * N);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      const now = Float64Array.from({ length: N }, (_, k) => taps[(b * C + c) * N + k]);
      for (let t = 0; t < T; t++) {
        for (let k = N - 1; k > 0; k--) now[k] += rate[c] * (now[k - 1] - now[k]);
        now[0] = x[(b * T + t) * C + c];
        g.set(now, ((b * T + t) * C + c) * N);
      }
    }
  }
  return g;
}
