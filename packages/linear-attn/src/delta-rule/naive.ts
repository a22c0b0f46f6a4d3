/**
 * The definition of the delta rule, head by head and position by position: what a key points to is moved towards a value.
 *
 *   S_t = S_{t−1} + β_t k_t (v_t − S_{t−1}ᵀ k_t)ᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q, k  [B, T, H, K]
 * @param v     [B, T, H, V]
 * @param beta  [B, T, H]
 * @param S0    [B, H, K, V]  zero if absent
 * @returns o [B, T, H, V] and state [B, H, K, V]
 */
export function deltaRuleNaive(
  { q, k, v, beta, S0 }: Record<'q' | 'k' | 'v' | 'beta', ArrayLike<number>> & { S0?: ArrayLike<number> },
  { B, T, H, K, V, scale = K ** -0.5 }: Record<'B' | 'T' | 'H' | 'K' | 'V', number> & { scale?: number },
): { o: Float64Array; state: Float64Array } {
  const o = new Float64Array(B * T * H * V);
  const S = Float64Array.from({ length: B * H * K * V }, (_, i) => (S0 ? S0[i] : 0));
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = (b * T + t) * H + h;
        const state = (b * H + h) * K * V;
        for (let j = 0; j < V; j++) {
          let error = v[row * V + j];
          for (let i = 0; i < K; i++) error -= S[state + i * V + j] * k[row * K + i];
          for (let i = 0; i < K; i++) {
            S[state + i * V + j] += beta[row] * k[row * K + i] * error;
            o[row * V + j] += scale * q[row * K + i] * S[state + i * V + j];
          }
        }
      }
    }
  }
  return { o, state: S };
}
