type List = ArrayLike<number>;

/**
 * The definition of the state space of Mamba-2, head by head: a matrix that decays by one number a position.
 *
 *   δ_t = softplus(dt_t + dtBias)      S_t = e^{δ_t A} S_{t−1} + δ_t B_t x_tᵀ      y_t = S_tᵀ C_t + D x_t
 *
 * @param x                [B, T, H, P]
 * @param dt               [B, T, H]
 * @param A, D, dtBias     [H]
 * @param Bs, Cs           [B, T, G, N]: head h belongs to group ⌊h G / H⌋
 * @param initial          [B, H, N, P]
 * @returns y [B, T, H, P] and the last state [B, H, N, P]
 */
export function ssdNaive(
  p: Record<'x' | 'dt' | 'A' | 'D' | 'dtBias' | 'Bs' | 'Cs' | 'initial', List>,
  { B, T, H, P, G, N }: { B: number; T: number; H: number; P: number; G: number; N: number },
): { y: Float64Array; state: Float64Array } {
  const y = new Float64Array(B * T * H * P);
  const state = Float64Array.from(p.initial);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const raw = p.dt[(b * T + t) * H + h] + p.dtBias[h];
        const step = Math.max(raw, 0) + Math.log1p(Math.exp(-Math.abs(raw)));
        const group = ((b * T + t) * G + Math.floor((h * G) / H)) * N;
        const row = ((b * T + t) * H + h) * P;
        for (let i = 0; i < P; i++) {
          y[row + i] = p.D[h] * p.x[row + i];
          for (let n = 0; n < N; n++) {
            const s = ((b * H + h) * N + n) * P + i;
            state[s] = Math.exp(step * p.A[h]) * state[s] + step * p.Bs[group + n] * p.x[row + i];
            y[row + i] += p.Cs[group + n] * state[s];
          }
        }
      }
    }
  }
  return { y, state };
}
