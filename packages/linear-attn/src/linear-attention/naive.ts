/**
 * The definition of causal linear attention, head by head and position by position, on features φ(q) and φ(k).
 *
 *   S_t = S_{t−1} + φ(k_t) v_tᵀ     z_t = z_{t−1} + φ(k_t)     o_t = S_tᵀ φ(q_t) / (z_t · φ(q_t) + eps)
 *
 * @param q, k  [B, T, H, M]  features
 * @param v     [B, T, H, V]
 * @returns o [B, T, H, V], state [B, H, M, V], z [B, H, M]
 */
export function linearAttentionNaive(
  { q, k, v }: Record<'q' | 'k' | 'v', ArrayLike<number>>,
  { B, T, H, M, V }: Record<'B' | 'T' | 'H' | 'M' | 'V', number>,
  { normalize = true, eps = 1e-6 }: { normalize?: boolean; eps?: number } = {},
): { o: Float64Array; state: Float64Array; z: Float64Array } {
  const o = new Float64Array(B * T * H * V);
  const S = new Float64Array(B * H * M * V);
  const z = new Float64Array(B * H * M);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = (b * T + t) * H + h;
        const first = (b * H + h) * M;
        let sum = 0;
        for (let i = 0; i < M; i++) {
          z[first + i] += k[row * M + i];
          sum += z[first + i] * q[row * M + i];
          for (let j = 0; j < V; j++) {
            S[(first + i) * V + j] += k[row * M + i] * v[row * V + j];
            o[row * V + j] += S[(first + i) * V + j] * q[row * M + i];
          }
        }
        if (normalize) for (let j = 0; j < V; j++) o[row * V + j] /= sum + eps;
      }
    }
  }
  return { o, state: S, z };
}
