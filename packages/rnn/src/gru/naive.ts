/** Weights as nested row-major arrays; gate order r, z, n in blocks of H rows. */
export interface GruNaiveInput {
  /** [B, T, I] */
  x: ArrayLike<number>;
  /** [3H, I] */
  weightIh: ArrayLike<number>;
  /** [3H, H] */
  weightHh: ArrayLike<number>;
  /** [3H], zero if absent */
  biasIh?: ArrayLike<number>;
  /** [3H], zero if absent */
  biasHh?: ArrayLike<number>;
  /** [B, H], zero if absent */
  h0?: ArrayLike<number>;
  /** Whether r acts on W_hn h + b_hn, the default, or on h before that product. */
  resetAfter?: boolean;
  B: number;
  T: number;
  I: number;
  H: number;
}

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

/**
 * The definition of the GRU, position by position, unit by unit.
 *
 *   r = σ(W_ir x + b_ir + W_hr h + b_hr)
 *   z = σ(W_iz x + b_iz + W_hz h + b_hz)
 *   n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))
 *       tanh(W_in x + b_in + W_hn (r ∘ h) + b_hn) with resetAfter: false
 *   h ← (1 − z) ∘ n + z ∘ h
 *
 * @returns y [B, T, H], the states after each position, and h [B, H], the last one
 */
export function gruNaive(input: GruNaiveInput): { y: Float64Array; h: Float64Array } {
  const { x, weightIh, weightHh, biasIh, biasHh, h0, resetAfter = true, B, T, I, H } = input;
  const y = new Float64Array(B * T * H);
  const h = new Float64Array(B * H);
  for (let i = 0; i < B * H; i++) h[i] = h0 ? h0[i] : 0;

  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const fromInput = new Float64Array(3 * H);
      const fromState = new Float64Array(3 * H);
      for (let g = 0; g < 3 * H; g++) {
        fromInput[g] = biasIh ? biasIh[g] : 0;
        for (let i = 0; i < I; i++) fromInput[g] += weightIh[g * I + i] * x[(b * T + t) * I + i];
        fromState[g] = biasHh ? biasHh[g] : 0;
        for (let k = 0; k < H; k++) fromState[g] += weightHh[g * H + k] * h[b * H + k];
      }
      const r = new Float64Array(H);
      const n = new Float64Array(H);
      for (let j = 0; j < H; j++) r[j] = sigmoid(fromInput[j] + fromState[j]);
      for (let j = 0; j < H; j++) {
        let a = resetAfter ? r[j] * fromState[2 * H + j] : biasHh ? biasHh[2 * H + j] : 0;
        for (let k = 0; !resetAfter && k < H; k++) a += weightHh[(2 * H + j) * H + k] * r[k] * h[b * H + k];
        n[j] = Math.tanh(fromInput[2 * H + j] + a);
      }
      for (let j = 0; j < H; j++) {
        const z = sigmoid(fromInput[H + j] + fromState[H + j]);
        h[b * H + j] = (1 - z) * n[j] + z * h[b * H + j];
        y[(b * T + t) * H + j] = h[b * H + j];
      }
    }
  }
  return { y, h };
}
