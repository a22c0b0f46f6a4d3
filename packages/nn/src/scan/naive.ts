/** What the definition reads; absent operands are absent terms. */
export interface MatrixScanArrays {
  /** [B, T, G, K] */
  readonly q: ArrayLike<number>;
  /** [B, T, G, K] */
  readonly k: ArrayLike<number>;
  /** [B, T, H, V] */
  readonly v: ArrayLike<number>;
  /** [B, H, K, V]; zero if absent */
  readonly initial?: ArrayLike<number>;
  /** [B, T, H] or [B, T, H, K] */
  readonly logDecay?: ArrayLike<number>;
  /** [B, T, H, K] */
  readonly read?: ArrayLike<number>;
  /** [B, T, H, K] */
  readonly write?: ArrayLike<number>;
  /** [B, T] */
  readonly resets?: ArrayLike<number>;
}

/** Sizes of the definition's arrays. */
export interface MatrixScanSizes {
  readonly B: number;
  readonly T: number;
  readonly G: number;
  readonly H: number;
  readonly K: number;
  readonly V: number;
}

/**
 * The definition of `matrixScan`, head by head and position by position.
 *
 *   S ← 0                                           where resets
 *   S ← diag(e^g) S + k (v + Sᵀ a)ᵀ                 a = read, with `write` absent
 *   S ← diag(e^g) S + k vᵀ + b (Sᵀ a)ᵀ              b = write
 *   o = Sᵀ q                                        after the writing
 *
 * @returns o [B, T, H, V] and state [B, H, K, V]
 */
export function matrixScanNaive(
  { q, k, v, initial, logDecay: g, read: a, write: b, resets }: MatrixScanArrays,
  { B, T, G, H, K, V }: MatrixScanSizes,
): { o: Float64Array; state: Float64Array } {
  const o = new Float64Array(B * T * H * V);
  const state = new Float64Array(B * H * K * V);
  const perKey = g !== undefined && g.length === B * T * H * K;
  for (let n = 0; n < B; n++) {
    for (let h = 0; h < H; h++) {
      const S = Float64Array.from({ length: K * V }, (_, i) =>
        initial ? initial[(n * H + h) * K * V + i] : 0,
      );
      for (let t = 0; t < T; t++) {
        const row = (n * T + t) * H + h;
        const shared = (n * T + t) * G + Math.floor((h * G) / H);
        if (resets?.[n * T + t]) S.fill(0);
        const seen = new Float64Array(V); // Sᵀ a
        if (a) for (let i = 0; i < K * V; i++) seen[i % V] += a[row * K + Math.floor(i / V)] * S[i];
        for (let d = 0; d < K; d++) {
          const kept = g ? Math.exp(perKey ? g[row * K + d] : g[row]) : 1;
          for (let e = 0; e < V; e++) {
            const written = v[row * V + e] + (a && !b ? seen[e] : 0);
            const erased = b ? b[row * K + d] * seen[e] : 0;
            S[d * V + e] = kept * S[d * V + e] + k[shared * K + d] * written + erased;
            o[row * V + e] += q[shared * K + d] * S[d * V + e];
          }
        }
      }
      state.set(S, (n * H + h) * K * V);
    }
  }
  return { o, state };
}
