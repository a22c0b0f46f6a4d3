type List = ArrayLike<number>;

/**
 * The definition of S5 under zero-order hold: P complex states that all channels share, of conjugate pairs one each.
 *
 *   a = e^{Δ λ}      b = (a − 1) / λ ∘ B      h_t = a ∘ h_{t−1} + b u_t      y_t = 2 Re(C h_t) + D ∘ u_t
 *
 * @param u                     [Bt, T, H]
 * @param re, im, logStep       [P]  λ = re + i im, Δ = e^logStep
 * @param Bre, Bim [P, H]   Cre, Cim [H, P]   D [H]
 * @param hre, him              [Bt, P]  state before the first position
 * @returns y [Bt, T, H] and the last state, hre and him [Bt, P]
 */
export function s5Naive(
  p: Record<'u' | 're' | 'im' | 'logStep' | 'Bre' | 'Bim' | 'Cre' | 'Cim' | 'D' | 'hre' | 'him', List>,
  { Bt, T, H, P }: { Bt: number; T: number; H: number; P: number },
): { y: Float64Array; hre: Float64Array; him: Float64Array } {
  const y = new Float64Array(Bt * T * H);
  const [hre, him] = [Float64Array.from(p.hre), Float64Array.from(p.him)];
  for (let b = 0; b < Bt; b++) {
    for (let t = 0; t < T; t++) {
      const row = (b * T + t) * H;
      for (let n = 0; n < P; n++) {
        const [x, w, step] = [p.re[n], p.im[n], Math.exp(p.logStep[n])];
        const size = Math.exp(step * x);
        const [ar, ai] = [size * Math.cos(step * w), size * Math.sin(step * w)];
        const br = ((ar - 1) * x + ai * w) / (x * x + w * w);
        const bi = (ai * x - (ar - 1) * w) / (x * x + w * w);
        let [xr, xi] = [0, 0];
        for (let c = 0; c < H; c++) {
          xr += p.Bre[n * H + c] * p.u[row + c];
          xi += p.Bim[n * H + c] * p.u[row + c];
        }
        const s = b * P + n;
        const [hr, hi] = [hre[s], him[s]];
        hre[s] = ar * hr - ai * hi + br * xr - bi * xi;
        him[s] = ar * hi + ai * hr + br * xi + bi * xr;
      }
      for (let c = 0; c < H; c++) {
        y[row + c] = p.D[c] * p.u[row + c];
        for (let n = 0; n < P; n++)
          y[row + c] += 2 * (p.Cre[c * P + n] * hre[b * P + n] - p.Cim[c * P + n] * him[b * P + n]);
      }
    }
  }
  return { y, hre, him };
}
