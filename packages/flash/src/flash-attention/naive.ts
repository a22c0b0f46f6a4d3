/** Inputs of `flashAttentionNaive`, row-major. */
export interface FlashNaiveInput {
  /** [B, T, H, D] */
  q: ArrayLike<number>;
  /** [B, S, G, D] */
  k: ArrayLike<number>;
  /** [B, S, G, V] */
  v: ArrayLike<number>;
  causal?: boolean;
  /** Keys seen before and after a query's own position. */
  window?: readonly [left: number, right: number];
  /** [B, H, T, S], nonzero = keep */
  mask?: ArrayLike<number>;
  /** [B, H, T, S] */
  bias?: ArrayLike<number>;
  /** [H] */
  slopes?: ArrayLike<number>;
  /** [H] */
  sinks?: ArrayLike<number>;
  scale?: number;
  softcap?: number;
  /** Weights [B, H, T, S] that dropout keeps, nonzero = kept, and the rate at which it drops. */
  dropout?: { kept: ArrayLike<number>; rate: number };
  /** Prefix sums of the lengths of sequences packed one behind the other, of queries and of keys. */
  cuSeqlens?: readonly [queries: ArrayLike<number>, keys: ArrayLike<number>];
  B: number;
  T: number;
  S: number;
  H: number;
  G: number;
  D: number;
  V: number;
}

/**
 * The definition of exact attention, query by query; what tiles compute must equal it.
 *
 *   s_ij = softcap(scale · q_i · k_j) + bias_ij − slope_h |p_i − j|   over the keys j that i may see, p_i = i + S − T
 *   lse_i = log(exp(sink_h) + Σ_j exp(s_ij))                          o_i = Σ_j z_ij exp(s_ij − lse_i) v_j
 *
 * Query head h reads key head ⌊h · G / H⌋. Causal: j ≤ p_i. Window: p_i − left ≤ j ≤ p_i + right. Packed sequences see
 * themselves only, the last query of each at its last key. z is 1, or under dropout 1 / (1 − rate) where kept and 0
 * elsewhere. A query that sees no key gives 0, and lse −∞ or its sink.
 *
 * @returns o [B, T, H, V] and lse [B, H, T]
 */
export function flashAttentionNaive(input: FlashNaiveInput): { o: Float64Array; lse: Float64Array } {
  const { q, k, v, causal = false, window, mask, bias, slopes, sinks, softcap, dropout, cuSeqlens } = input;
  const { B, T, S, H, G, D, V, scale = 1 / Math.sqrt(D) } = input;
  const o = new Float64Array(B * T * H * V);
  const lse = new Float64Array(B * H * T);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const g = Math.floor((h * G) / H);
      for (let i = 0; i < T; i++) {
        let [p, begin, end] = [i + S - T, 0, S];
        if (cuSeqlens) {
          const [queries, keys] = cuSeqlens;
          let n = 0;
          while (queries[n + 1] <= i) n++;
          [begin, end] = [keys[n], keys[n + 1]];
          p = i - queries[n + 1] + end;
        }
        const row = (b * H + h) * T + i;
        const s = new Float64Array(S).fill(-Infinity);
        for (let j = begin; j < end; j++) {
          if (causal && j > p) continue;
          if (window && (j < p - window[0] || j > p + window[1])) continue;
          if (mask && !mask[row * S + j]) continue;
          let dot = 0;
          for (let d = 0; d < D; d++)
            dot += q[((b * T + i) * H + h) * D + d] * k[((b * S + j) * G + g) * D + d];
          s[j] = dot * scale;
          if (softcap) s[j] = softcap * Math.tanh(s[j] / softcap);
          if (bias) s[j] += bias[row * S + j];
          if (slopes) s[j] -= slopes[h] * Math.abs(p - j);
        }
        const sink = sinks ? sinks[h] : -Infinity;
        const largest = s.reduce((a, x) => Math.max(a, x), sink);
        let sum = sink > -Infinity ? Math.exp(sink - largest) : 0;
        for (let j = 0; j < S; j++) if (s[j] > -Infinity) sum += Math.exp(s[j] - largest);
        lse[row] = sum === 0 ? -Infinity : largest + Math.log(sum);
        for (let j = 0; j < S; j++) {
          if (s[j] === -Infinity) continue;
          const kept = dropout ? (dropout.kept[row * S + j] ? 1 / (1 - dropout.rate) : 0) : 1;
          const weight = (kept * Math.exp(s[j] - largest)) / sum;
          for (let d = 0; d < V; d++)
            o[((b * T + i) * H + h) * V + d] += weight * v[((b * S + j) * G + g) * V + d];
        }
      }
    }
  }
  return { o, lse };
}
