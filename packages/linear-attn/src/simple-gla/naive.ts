/**
 * The definition of simple gated linear attention, head by head and position by position.
 *
 *   S_t = e^{g_t} S_{t−1} + k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q, k  [B, T, H, K]
 * @param v     [B, T, H, V]
 * @param g     [B, T, H]     log-decay, ≤ 0
 * @param S0    [B, H, K, V]  zero if absent
 * @returns o [B, T, H, V] and state [B, H, K, V]
 */
export function simpleGlaNaive(
  { q, k, v, g, S0 }: Record<'q' | 'k' | 'v' | 'g', ArrayLike<number>> & { S0?: ArrayLike<number> },
  { B, T, H, K, V, scale = K ** -0.5 }: Record<'B' | 'T' | 'H' | 'K' | 'V', number> & { scale?: number },
): { o: Float64Array; state: Float64Array } {
  const o = new Float64Array(B * T * H * V);
  const S = Float64Array.from({ length: B * H * K * V }, (_, i) => (S0 ? S0[i] : 0));
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = (b * T + t) * H + h;
        for (let i = 0; i < K; i++) {
          for (let j = 0; j < V; j++) {
            const at = ((b * H + h) * K + i) * V + j;
            S[at] = Math.exp(g[row]) * S[at] + k[row * K + i] * v[row * V + j];
            o[row * V + j] += scale * q[row * K + i] * S[at];
          }
        }
      }
    }
  }
  return { o, state: S };
}
