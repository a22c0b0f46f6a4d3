/** Inputs of `crossAttentionNaive`, row-major. */
export interface CrossAttentionNaiveInput {
  /** [B, T, C] */
  x: ArrayLike<number>;
  /** [B, S, E] */
  context: ArrayLike<number>;
  /** [H D, C] */
  wq: ArrayLike<number>;
  /** [2 G D, E], keys first */
  wkv: ArrayLike<number>;
  /** [C, H D] */
  wo: ArrayLike<number>;
  /** [H D], [2 G D], [C] */
  biases: readonly [q: ArrayLike<number>, kv: ArrayLike<number>, out: ArrayLike<number>];
  B: number;
  T: number;
  S: number;
  C: number;
  E: number;
  H: number;
  G: number;
  D: number;
  /** Factor of the scores. Default 1/√D. */
  scale?: number;
  /** Bound c of the scores, c tanh(s / c). */
  softcap?: number;
}

/**
 * The definition of cross-attention, position by position.
 *
 *   q_t = W_q x_t + b_q    k_j, v_j = W_kv c_j + b_kv
 *   o_t = Σ_j softmax_j(cap(scale · q_t · k_j)) v_j per head    y_t = W_o o_t + b_o
 *
 * @returns y [B, T, C]
 */
export function crossAttentionNaive(input: CrossAttentionNaiveInput): Float64Array {
  const { x, context, wq, wkv, wo, biases, B, T, S, C, E, H, G, D, softcap } = input;
  const { scale = 1 / Math.sqrt(D) } = input;
  const project = (
    from: ArrayLike<number>,
    at: number,
    width: number,
    w: ArrayLike<number>,
    bias: ArrayLike<number>,
  ): number[] =>
    Array.from({ length: bias.length }, (_, r) => {
      let sum = bias[r];
      for (let c = 0; c < width; c++) sum += w[r * width + c] * from[at + c];
      return sum;
    });
  const y = new Float64Array(B * T * C);
  for (let b = 0; b < B; b++) {
    const kv = Array.from({ length: S }, (_, j) => project(context, (b * S + j) * E, E, wkv, biases[1]));
    for (let t = 0; t < T; t++) {
      const q = project(x, (b * T + t) * C, C, wq, biases[0]);
      const o = new Float64Array(H * D);
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * G) / H);
        const s = kv.map((row) => {
          let dot = 0;
          for (let d = 0; d < D; d++) dot += q[h * D + d] * row[g * D + d];
          const score = scale * dot;
          return softcap === undefined ? score : softcap * Math.tanh(score / softcap);
        });
        const largest = Math.max(...s);
        const sum = s.reduce((a, v) => a + Math.exp(v - largest), 0);
        for (const [j, row] of kv.entries())
          for (let d = 0; d < D; d++) o[h * D + d] += (Math.exp(s[j] - largest) / sum) * row[(G + g) * D + d];
      }
      y.set(project(o, 0, H * D, wo, biases[2]), (b * T + t) * C);
    }
  }
  return y;
}
