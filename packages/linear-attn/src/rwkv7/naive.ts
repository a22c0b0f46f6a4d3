/**
 * The definition of RWKV-7's memory, head by head and position by position, written with the key axis first.
 *
 *   S_t = diag(e^{w_t}) S_{t−1} − (κ_t ∘ a_t) (S_{t−1}ᵀ κ_t)ᵀ + k_t v_tᵀ     o_t = S_tᵀ r_t
 *
 * @param r, w, k, kappa, a  [B, T, H, K]  receptance, log-decay ≤ 0, key, the key that is erased, how much of it
 * @param v                  [B, T, H, V]
 * @param S0                 [B, H, K, V]  zero if absent
 * @returns o [B, T, H, V] and state [B, H, K, V]
 */
export function rwkv7Naive(
  {
    r,
    w,
    k,
    v,
    kappa,
    a,
    S0,
  }: Record<'r' | 'w' | 'k' | 'v' | 'kappa' | 'a', ArrayLike<number>> & {
    S0?: ArrayLike<number>;
  },
  { B, T, H, K, V }: Record<'B' | 'T' | 'H' | 'K' | 'V', number>,
): { o: Float64Array; state: Float64Array } {
  const o = new Float64Array(B * T * H * V);
  const S = Float64Array.from({ length: B * H * K * V }, (_, i) => (S0 ? S0[i] : 0));
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = (b * T + t) * H + h;
        const state = (b * H + h) * K * V;
        for (let j = 0; j < V; j++) {
          let stored = 0; // (Sᵀ κ)_j
          for (let i = 0; i < K; i++) stored += S[state + i * V + j] * kappa[row * K + i];
          for (let i = 0; i < K; i++) {
            const [at, n] = [state + i * V + j, row * K + i];
            S[at] = Math.exp(w[n]) * S[at] - kappa[n] * a[n] * stored + k[n] * v[row * V + j];
            o[row * V + j] += r[n] * S[at];
          }
        }
      }
    }
  }
  return { o, state: S };
}
