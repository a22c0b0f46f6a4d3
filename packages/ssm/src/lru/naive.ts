type List = ArrayLike<number>;

/**
 * The definition of the linear recurrent unit.
 *
 *   λ = e^(−e^nu + i e^theta)      h_t = λ ∘ h_{t−1} + e^gammaLog ∘ (B u_t)      y_t = Re(C h_t) + D ∘ u_t
 *
 * @param u                     [Bt, T, H]
 * @param nu, theta, gammaLog   [N]
 * @param Bre, Bim [N, H]   Cre, Cim [H, N]   D [H]
 * @param hre, him              [Bt, N]  state before the first position
 * @returns y [Bt, T, H] and the last state, hre and him [Bt, N]
 */
export function lruNaive(
  p: Record<'u' | 'nu' | 'theta' | 'gammaLog' | 'Bre' | 'Bim' | 'Cre' | 'Cim' | 'D' | 'hre' | 'him', List>,
  { Bt, T, H, N }: { Bt: number; T: number; H: number; N: number },
): { y: Float64Array; hre: Float64Array; him: Float64Array } {
  const y = new Float64Array(Bt * T * H);
  const [hre, him] = [Float64Array.from(p.hre), Float64Array.from(p.him)];
  for (let b = 0; b < Bt; b++) {
    for (let t = 0; t < T; t++) {
      const row = (b * T + t) * H;
      for (let n = 0; n < N; n++) {
        const size = Math.exp(-Math.exp(p.nu[n]));
        const angle = Math.exp(p.theta[n]);
        const [ar, ai] = [size * Math.cos(angle), size * Math.sin(angle)];
        let [xr, xi] = [0, 0];
        for (let c = 0; c < H; c++) {
          xr += p.Bre[n * H + c] * p.u[row + c];
          xi += p.Bim[n * H + c] * p.u[row + c];
        }
        const [s, by] = [b * N + n, Math.exp(p.gammaLog[n])];
        const [hr, hi] = [hre[s], him[s]];
        hre[s] = ar * hr - ai * hi + by * xr;
        him[s] = ar * hi + ai * hr + by * xi;
      }
      for (let c = 0; c < H; c++) {
        y[row + c] = p.D[c] * p.u[row + c];
        for (let n = 0; n < N; n++)
          y[row + c] += p.Cre[c * N + n] * hre[b * N + n] - p.Cim[c * N + n] * him[b * N + n];
      }
    }
  }
  return { y, hre, him };
}
