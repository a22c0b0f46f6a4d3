/** Inputs of `attendNaive`, row-major. */
export interface AttendNaiveInput {
  /** [B, T, H, D] */
  q: ArrayLike<number>;
  /** [B, S, G, D] */
  k: ArrayLike<number>;
  /** [B, S, G, V] */
  v: ArrayLike<number>;
  /** [B, H, T, S], nonzero = keep */
  mask?: ArrayLike<number>;
  /** [B, H, T, S] */
  bias?: ArrayLike<number>;
  causal?: boolean;
  scale?: number;
  softcap?: number;
  B: number;
  T: number;
  S: number;
  H: number;
  G: number;
  D: number;
  V: number;
}

/**
 * The definition of scaled dot-product attention, query by query.
 *
 *   s_ij = scale · q_i · k_j + bias_ij   over the keys j that i may see
 *   o_i = Σ_j softmax_j(s_ij) v_j        lse_i = log Σ_j exp(s_ij)
 *
 * Query head h reads key head ⌊h · G / H⌋. Causal: j ≤ i + S − T. A query that sees no key gives 0 and lse −∞.
 *
 * @returns o [B, T, H, V] and lse [B, H, T]
 */
export function attendNaive(input: AttendNaiveInput): { o: Float64Array; lse: Float64Array } {
  const { q, k, v, mask, bias, causal = false, softcap, B, T, S, H, G, D, V } = input;
  const { scale = 1 / Math.sqrt(D) } = input;
  const o = new Float64Array(B * T * H * V);
  const lse = new Float64Array(B * H * T);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const g = Math.floor((h * G) / H);
      for (let i = 0; i < T; i++) {
        const row = (b * H + h) * T + i;
        const s = new Float64Array(S).fill(-Infinity);
        for (let j = 0; j < S; j++) {
          if (causal && j > i + S - T) continue;
          if (mask && !mask[row * S + j]) continue;
          let dot = 0;
          for (let d = 0; d < D; d++)
            dot += q[((b * T + i) * H + h) * D + d] * k[((b * S + j) * G + g) * D + d];
          s[j] = dot * scale;
          if (softcap) s[j] = softcap * Math.tanh(s[j] / softcap);
          if (bias) s[j] += bias[row * S + j];
        }
        const largest = s.reduce((a, x) => Math.max(a, x), -Infinity);
        let sum = 0;
        for (let j = 0; j < S; j++) if (s[j] > -Infinity) sum += Math.exp(s[j] - largest);
        lse[row] = sum === 0 ? -Infinity : largest + Math.log(sum);
        for (let j = 0; j < S; j++) {
          if (s[j] === -Infinity) continue;
          const p = Math.exp(s[j] - largest) / sum;
          for (let d = 0; d < V; d++)
            o[((b * T + i) * H + h) * V + d] += p * v[((b * S + j) * G + g) * V + d];
        }
      }
    }
  }
  return { o, lse };
}
