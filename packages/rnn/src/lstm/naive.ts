/** Weights as row-major arrays; gate order i, f, g, o in blocks of H rows. */
export interface LstmNaiveInput {
  /** [B, T, I] */
  x: ArrayLike<number>;
  /** [4H, I] */
  weightIh: ArrayLike<number>;
  /** [4H, P] */
  weightHh: ArrayLike<number>;
  /** [P, H]; without it P = H and the output is not projected */
  weightHr?: ArrayLike<number>;
  /** [4H], zero if absent */
  biasIh?: ArrayLike<number>;
  /** [4H], zero if absent */
  biasHh?: ArrayLike<number>;
  /** [B, P], zero if absent */
  h0?: ArrayLike<number>;
  /** [B, H], zero if absent */
  c0?: ArrayLike<number>;
  /** Scale and shift of LN(W_ih x) [4H], LN(W_hh h) [4H] and the LN(c) [H] that is shown; no norms if absent */
  norms?: Readonly<Record<'input' | 'recurrent' | 'cell', NaiveNorm>>;
  /** [3H] in blocks i, f, o; zero if absent */
  peepholes?: ArrayLike<number>;
  B: number;
  T: number;
  I: number;
  H: number;
  P: number;
}

/** Scale and shift of one normalisation. */
interface NaiveNorm {
  weight: ArrayLike<number>;
  bias: ArrayLike<number>;
}

/** (v − mean) / √(variance + 1e-5) ∘ weight + bias; v itself without a norm. */
function normalised(v: Float64Array, norm: NaiveNorm | undefined): Float64Array {
  if (!norm) return v;
  let mean = 0;
  for (const a of v) mean += a / v.length;
  let variance = 0;
  for (const a of v) variance += (a - mean) ** 2 / v.length;
  return v.map((a, j) => ((a - mean) / Math.sqrt(variance + 1e-5)) * norm.weight[j] + norm.bias[j]);
}

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

/**
 * The definition of the LSTM, position by position, unit by unit.
 *
 *   i, f, o = σ(W x + b + U h + d)     g = tanh(W_g x + b_g + U_g h + d_g)
 *   c ← f ∘ c + i ∘ g
 *   h ← W_hr (o ∘ tanh c)              without W_hr: h ← o ∘ tanh c
 *
 * With norms: LN(W x), LN(U h) and tanh LN(c) for W x, U h and tanh c. With peepholes: p_i ∘ c and p_f ∘ c of the old
 * cell inside σ of i and f, p_o ∘ c of the new one inside that of o.
 *
 * @returns y [B, T, P], the outputs, and the last h [B, P] and c [B, H]
 */
export function lstmNaive(input: LstmNaiveInput): { y: Float64Array; h: Float64Array; c: Float64Array } {
  const { x, weightIh, weightHh, weightHr, biasIh, biasHh, h0, c0, norms, peepholes, B, T, I, H, P } = input;
  const y = new Float64Array(B * T * P);
  const h = new Float64Array(B * P);
  const c = new Float64Array(B * H);
  for (let i = 0; i < B * P; i++) h[i] = h0 ? h0[i] : 0;
  for (let i = 0; i < B * H; i++) c[i] = c0 ? c0[i] : 0;

  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const fromInput = new Float64Array(4 * H);
      const fromState = new Float64Array(4 * H);
      for (let g = 0; g < 4 * H; g++) {
        for (let i = 0; i < I; i++) fromInput[g] += weightIh[g * I + i] * x[(b * T + t) * I + i];
        for (let k = 0; k < P; k++) fromState[g] += weightHh[g * P + k] * h[b * P + k];
      }
      const a = normalised(fromInput, norms?.input);
      const u = normalised(fromState, norms?.recurrent);
      for (let g = 0; g < 4 * H; g++) a[g] += u[g] + (biasIh ? biasIh[g] : 0) + (biasHh ? biasHh[g] : 0);
      const m = new Float64Array(H);
      for (let j = 0; j < H; j++) {
        const before = c[b * H + j];
        const [pi, pf, po] = [0, 1, 2].map((gate) => (peepholes ? peepholes[gate * H + j] : 0));
        const i = sigmoid(a[j] + pi * before);
        const f = sigmoid(a[H + j] + pf * before);
        const g = Math.tanh(a[2 * H + j]);
        c[b * H + j] = f * before + i * g;
        m[j] = sigmoid(a[3 * H + j] + po * c[b * H + j]);
      }
      const shown = normalised(c.slice(b * H, (b + 1) * H), norms?.cell);
      for (let j = 0; j < H; j++) m[j] *= Math.tanh(shown[j]);
      for (let k = 0; k < P; k++) {
        h[b * P + k] = weightHr ? 0 : m[k];
        for (let j = 0; weightHr && j < H; j++) h[b * P + k] += weightHr[k * H + j] * m[j];
        y[(b * T + t) * P + k] = h[b * P + k];
      }
    }
  }
  return { y, h, c };
}
