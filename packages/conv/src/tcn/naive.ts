/** One convolution: direction v [W, I, O], length g [O] or none (then w = v), bias [O]. */
export interface NaiveTcnConv {
  readonly v: Float64Array;
  readonly gain?: Float64Array;
  readonly bias: Float64Array;
  readonly I: number;
  readonly O: number;
}

/** Two convolutions of one dilation; skip weight [O, I] and bias [O] where the widths differ. */
export interface NaiveTcnBlock {
  readonly dilation: number;
  readonly first: NaiveTcnConv;
  readonly second: NaiveTcnConv;
  readonly skip?: { readonly weight: Float64Array; readonly bias: Float64Array };
}

/**
 * The definition of a temporal convolutional network.
 *
 *   a = relu(conv₁(h)),   b = relu(conv₂(a)),   h' = relu(b + skip(h)),   y = W h' + b_out, or h' without
 *
 * @param x    [B, T, C]
 * @param out  weight [C, H], bias [C], where H ≠ C
 * @returns    [B, T, C]
 */
export function tcnNaive(
  x: Float64Array,
  blocks: readonly NaiveTcnBlock[],
  { B, T, C, W }: { B: number; T: number; C: number; W: number },
  out?: { readonly weight: Float64Array; readonly bias: Float64Array },
): Float64Array {
  let h = x;
  let width = C;
  for (const { dilation, first, second, skip } of blocks) {
    const a = convolved(h, first, { B, T, W, dilation }).map(relu);
    const b = convolved(a, second, { B, T, W, dilation }).map(relu);
    const around = skip ? mapped(h, skip, B * T, width, first.O) : h;
    h = b.map((v, i) => relu(v + around[i]));
    width = first.O;
  }
  return out ? mapped(h, out, B * T, width, C) : h;
}

const relu = (v: number): number => Math.max(v, 0);

/** y_t = b + Σ_j w_{W−1−j} x_{t−jδ}, each column of w of length g. */
function convolved(
  x: Float64Array,
  { v, gain, bias, I, O }: NaiveTcnConv,
  { B, T, W, dilation }: { B: number; T: number; W: number; dilation: number },
): Float64Array {
  const y = new Float64Array(B * T * O);
  for (let o = 0; o < O; o++) {
    let power = 0;
    for (let k = 0; k < W * I; k++) power += v[k * O + o] ** 2;
    const scale = gain ? gain[o] / Math.sqrt(power) : 1;
    for (let b = 0; b < B; b++) {
      for (let t = 0; t < T; t++) {
        let sum = bias[o];
        for (let j = 0; j < W; j++) {
          const from = t - j * dilation;
          if (from < 0) continue;
          for (let i = 0; i < I; i++) {
            sum += scale * v[((W - 1 - j) * I + i) * O + o] * x[(b * T + from) * I + i];
          }
        }
        y[(b * T + t) * O + o] = sum;
      }
    }
  }
  return y;
}

/** y = W x + b in every row. */
function mapped(
  x: Float64Array,
  { weight, bias }: { readonly weight: Float64Array; readonly bias: Float64Array },
  rows: number,
  I: number,
  O: number,
): Float64Array {
  const y = new Float64Array(rows * O);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < O; o++) {
      let sum = bias[o];
      for (let i = 0; i < I; i++) sum += weight[o * I + i] * x[r * I + i];
      y[r * O + o] = sum;
    }
  }
  return y;
}
