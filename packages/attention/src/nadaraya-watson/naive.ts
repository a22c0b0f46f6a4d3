/** Inputs of `nadarayaWatsonNaive`, row-major. */
export interface NadarayaWatsonNaiveInput {
  /** [B, T, D] */
  x: ArrayLike<number>;
  /** [B, S, D] */
  points: ArrayLike<number>;
  /** [B, S, V] */
  values: ArrayLike<number>;
  kernel: 'nearest' | 'box' | 'triangular' | 'epanechnikov' | 'gaussian';
  /** h; of `nearest` the number of neighbours. */
  bandwidth: number;
  /** [B, T, S], nonzero = keep */
  mask?: ArrayLike<number>;
  B: number;
  T: number;
  S: number;
  D: number;
  V: number;
}

/**
 * The definition of kernel smoothing, place by place.
 *
 *   f(x) = Σ_i K(‖x − x_i‖ / h) y_i / Σ_i K(‖x − x_i‖ / h)
 *
 *   box 1 for u ≤ 1    triangular (1 − u)₊    epanechnikov ¾ (1 − u²)₊    gaussian exp(−u²/2) / √(2π)
 *
 * `nearest` is the box as wide as the distance of the h-th nearest point, all points where there are fewer. Kernels are
 * taken by their logarithms, the largest of which cancels: far from all points every Gaussian would be 0. Where no point
 * has weight f is 0.
 *
 * @returns f [B, T, V]
 */
export function nadarayaWatsonNaive(input: NadarayaWatsonNaiveInput): Float64Array {
  const { x, points, values, kernel, bandwidth, mask, B, T, S, D, V } = input;
  const log = (distance: number, h: number): number => {
    const u = distance / h;
    if (kernel === 'gaussian') return -(u * u) / 2 - Math.log(2 * Math.PI) / 2;
    if (kernel === 'epanechnikov') return Math.log(Math.max(0, 0.75 * (1 - u * u)));
    if (kernel === 'triangular') return Math.log(Math.max(0, 1 - u));
    return distance <= h ? 0 : -Infinity;
  };
  const f = new Float64Array(B * T * V);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const distance = new Float64Array(S).fill(Infinity);
      for (let i = 0; i < S; i++) {
        if (mask && !mask[(b * T + t) * S + i]) continue;
        let sum = 0;
        for (let d = 0; d < D; d++) sum += (x[(b * T + t) * D + d] - points[(b * S + i) * D + d]) ** 2;
        distance[i] = Math.sqrt(sum);
      }
      const h = kernel === 'nearest' ? distance.toSorted()[bandwidth - 1] : bandwidth;
      const logs = distance.map((r) => (r === Infinity ? -Infinity : log(r, h)));
      const largest = logs.reduce((a, l) => Math.max(a, l), -Infinity);
      if (largest === -Infinity) continue;
      const weights = logs.map((l) => Math.exp(l - largest));
      const total = weights.reduce((a, w) => a + w, 0);
      for (let i = 0; i < S; i++)
        for (let v = 0; v < V; v++)
          f[(b * T + t) * V + v] += (weights[i] / total) * values[(b * S + i) * V + v];
    }
  }
  return f;
}
