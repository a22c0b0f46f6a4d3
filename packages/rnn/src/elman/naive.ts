/** Weights as row-major arrays. */
export interface ElmanNaiveInput {
  /** [B, T, I] */
  x: ArrayLike<number>;
  /** [H, I] */
  weightIh: ArrayLike<number>;
  /** [H, H] */
  weightHh: ArrayLike<number>;
  /** [H], zero if absent */
  biasIh?: ArrayLike<number>;
  /** [H], zero if absent */
  biasHh?: ArrayLike<number>;
  /** [B, H], zero if absent */
  h0?: ArrayLike<number>;
  /** tanh if absent */
  nonlinearity?: 'tanh' | 'relu' | 'sigmoid' | 'identity';
  B: number;
  T: number;
  I: number;
  H: number;
}

/**
 * The definition of the Elman network, position by position, unit by unit.
 *
 *   h ← f(W_ih x + b_ih + W_hh h + b_hh)
 *
 * @returns y [B, T, H], the states after each position, and h [B, H], the last one
 */
export function elmanNaive(input: ElmanNaiveInput): { y: Float64Array; h: Float64Array } {
  const { x, weightIh, weightHh, biasIh, biasHh, h0, nonlinearity = 'tanh', B, T, I, H } = input;
  const y = new Float64Array(B * T * H);
  const h = new Float64Array(B * H);
  for (let i = 0; i < B * H; i++) h[i] = h0 ? h0[i] : 0;

  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const next = new Float64Array(H);
      for (let j = 0; j < H; j++) {
        let a = (biasIh ? biasIh[j] : 0) + (biasHh ? biasHh[j] : 0);
        for (let i = 0; i < I; i++) a += weightIh[j * I + i] * x[(b * T + t) * I + i];
        for (let k = 0; k < H; k++) a += weightHh[j * H + k] * h[b * H + k];
        if (nonlinearity === 'tanh') next[j] = Math.tanh(a);
        else if (nonlinearity === 'relu') next[j] = Math.max(a, 0);
        else next[j] = nonlinearity === 'sigmoid' ? 1 / (1 + Math.exp(-a)) : a;
      }
      h.set(next, b * H);
      y.set(next, (b * T + t) * H);
    }
  }
  return { y, h };
}
