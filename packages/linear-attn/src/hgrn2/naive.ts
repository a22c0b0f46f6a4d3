/**
 * The definition of HGRN2, head by head and position by position: what a channel forgets is what it writes.
 *
 *   S_t = diag(e^{g_t}) S_{t−1} + (1 − e^{g_t}) v_tᵀ     o_t = S_tᵀ q_t
 *
 * @param q, g  [B, T, H, K]  g: log of the forget gate, ≤ 0
 * @param v     [B, T, H, V]
 * @param S0    [B, H, K, V]  zero if absent
 * @returns o [B, T, H, V] and state [B, H, K, V]
 */
export function hgrn2Naive(
  { q, v, g, S0 }: Record<'q' | 'v' | 'g', ArrayLike<number>> & { S0?: ArrayLike<number> },
  { B, T, H, K, V }: Record<'B' | 'T' | 'H' | 'K' | 'V', number>,
): { o: Float64Array; state: Float64Array } {
  const o = new Float64Array(B * T * H * V);
  const S = Float64Array.from({ length: B * H * K * V }, (_, i) => (S0 ? S0[i] : 0));
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = (b * T + t) * H + h;
        for (let i = 0; i < K; i++) {
          const forget = Math.exp(g[row * K + i]);
          for (let j = 0; j < V; j++) {
            const at = ((b * H + h) * K + i) * V + j;
            S[at] = forget * S[at] + (1 - forget) * v[row * V + j];
            o[row * V + j] += q[row * K + i] * S[at];
          }
        }
      }
    }
  }
  return { o, state: S };
}
