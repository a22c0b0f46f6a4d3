type List = ArrayLike<number>;

/**
 * The definition of the selective scan, position by position, state by state.
 *
 *   δ_t = delta_t + deltaBias, through softplus if wanted
 *   h_t = exp(δ_t A) h_{t−1} + δ_t B_t u_t
 *   y_t = (Σ_n C_t h_t + D u_t) silu(z_t)
 *
 * @param u, delta, z   [B, T, C]
 * @param A             [C, N]
 * @param Bs, Cs        [B, T, G, N]: channel c belongs to group ⌊c G / C⌋
 * @param D, deltaBias  [C]
 * @param h0            [B, C, N]
 * @returns y [B, T, C] and h [B, C, N], the last state
 */
export function selectiveScanNaive(
  {
    u,
    delta,
    A,
    Bs,
    Cs,
    D,
    z,
    deltaBias,
    h0,
  }: Record<'u' | 'delta' | 'A' | 'Bs' | 'Cs' | 'h0', List> & Partial<Record<'D' | 'z' | 'deltaBias', List>>,
  { B, T, C, N, G, softplus }: { B: number; T: number; C: number; N: number; G: number; softplus: boolean },
): { y: Float64Array; h: Float64Array } {
  const y = new Float64Array(B * T * C);
  const h = Float64Array.from(h0);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let c = 0; c < C; c++) {
        const i = (b * T + t) * C + c;
        const raw = delta[i] + (deltaBias ? deltaBias[c] : 0);
        const step = softplus ? Math.max(raw, 0) + Math.log1p(Math.exp(-Math.abs(raw))) : raw;
        let sum = D ? D[c] * u[i] : 0;
        for (let n = 0; n < N; n++) {
          const state = (b * C + c) * N + n;
          const group = ((b * T + t) * G + Math.floor((c * G) / C)) * N + n;
          h[state] = Math.exp(step * A[c * N + n]) * h[state] + step * Bs[group] * u[i];
          sum += Cs[group] * h[state];
        }
        y[i] = z ? (sum * z[i]) / (1 + Math.exp(-z[i])) : sum;
      }
    }
  }
  return { y, h };
}
