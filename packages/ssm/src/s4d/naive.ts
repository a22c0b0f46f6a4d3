type List = ArrayLike<number>;

/**
 * The definition of the diagonal state space S4D, channel by channel: M complex states each, under zero-order hold.
 *
 *   λ = −e^logReal + i imag      a = e^{Δ λ}      b = (a − 1) / λ      Δ = e^logStep
 *   h_t = a h_{t−1} + b u_t      y_t = 2 Re(Σ_m C h_t) + D u_t
 *
 * @param u        [B, T, H]
 * @param logStep  [H]
 * @param logReal, imag, Cre, Cim  [H, M]
 * @param D        [H]
 * @param hre, him  [B, H, M]  state before the first position
 * @returns y [B, T, H] and the last state, hre and him [B, H, M]
 */
export function s4dNaive(
  p: Record<'u' | 'logStep' | 'logReal' | 'imag' | 'Cre' | 'Cim' | 'D' | 'hre' | 'him', List>,
  { B, T, H, M }: { B: number; T: number; H: number; M: number },
): { y: Float64Array; hre: Float64Array; him: Float64Array } {
  const y = new Float64Array(B * T * H);
  const [hre, him] = [Float64Array.from(p.hre), Float64Array.from(p.him)];
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < H; c++) {
      const step = Math.exp(p.logStep[c]);
      for (let t = 0; t < T; t++) {
        const i = (b * T + t) * H + c;
        y[i] = p.D[c] * p.u[i];
        for (let m = 0; m < M; m++) {
          const [k, s] = [c * M + m, (b * H + c) * M + m];
          const [x, w] = [-Math.exp(p.logReal[k]), p.imag[k]];
          const size = Math.exp(step * x);
          const [ar, ai] = [size * Math.cos(step * w), size * Math.sin(step * w)];
          // (a − 1) / λ
          const br = ((ar - 1) * x + ai * w) / (x * x + w * w);
          const bi = (ai * x - (ar - 1) * w) / (x * x + w * w);
          const [hr, hi] = [hre[s], him[s]];
          hre[s] = ar * hr - ai * hi + br * p.u[i];
          him[s] = ar * hi + ai * hr + bi * p.u[i];
          y[i] += 2 * (p.Cre[k] * hre[s] - p.Cim[k] * him[s]);
        }
      }
    }
  }
  return { y, hre, him };
}
