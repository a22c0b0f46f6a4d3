/** A map y = W x + b; weight [O, I], bias [O] or none. */
export interface NaiveMap {
  readonly weight: Float64Array;
  readonly bias?: Float64Array;
}

/** y = W x + b in every row. */
function mapped(x: Float64Array, { weight, bias }: NaiveMap, I: number): Float64Array {
  const O = weight.length / I;
  const rows = x.length / I;
  const y = new Float64Array(rows * O);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < O; o++) {
      let sum = bias ? bias[o] : 0;
      for (let i = 0; i < I; i++) sum += weight[o * I + i] * x[r * I + i];
      y[r * O + o] = sum;
    }
  }
  return y;
}

/**
 * The definition of the feed-forward network, and of the gated one where there is a gate.
 *
 *   y = W₂ f(W₁ x + b₁) + b₂,   gated:  y = W₂ (f(W_g x + b_g) ∘ (W₁ x + b₁)) + b₂
 *
 * @param x  [rows, C]
 * @returns  [rows, C]
 */
export function ffNaive(
  x: Float64Array,
  { up, down, gate }: { up: NaiveMap; down: NaiveMap; gate?: NaiveMap },
  { C, F, f }: { C: number; F: number; f: (v: number) => number },
): Float64Array {
  const u = mapped(x, up, C);
  const g = gate && mapped(x, gate, C);
  const hidden = g ? u.map((v, i) => v * f(g[i])) : u.map(f);
  return mapped(hidden, down, F);
}
