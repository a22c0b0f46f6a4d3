/** A map y = W x + b; weight [O, I]. */
export interface NaiveMap {
  readonly weight: Float64Array;
  readonly bias?: Float64Array;
  readonly I: number;
  readonly O: number;
}

/** A causal convolution; weight [W, I, O], index W − 1 for the newest input. */
export interface NaiveConv extends NaiveMap {
  readonly W: number;
  readonly dilation: number;
}

/** One layer; the last one has no residual. */
export interface NaiveLayer {
  readonly conv: NaiveConv;
  readonly residual?: NaiveMap;
  readonly skip: NaiveMap;
}

/** tanh(z_d) σ(z_{D+d}) in rows of 2D. */
export function gatedActivationNaive(z: Float64Array, D: number): Float64Array {
  const rows = z.length / (2 * D);
  const y = new Float64Array(rows * D);
  for (let r = 0; r < rows; r++) {
    for (let d = 0; d < D; d++) {
      y[r * D + d] = Math.tanh(z[r * 2 * D + d]) / (1 + Math.exp(-z[r * 2 * D + D + d]));
    }
  }
  return y;
}

/** y_t = b + Σ_j w_{W−1−j} x_{t−jδ}, inputs before the beginning are 0. */
export function convNaive(
  x: Float64Array,
  { weight, bias, I, O, W, dilation }: NaiveConv,
  { B, T }: { B: number; T: number },
): Float64Array {
  const y = new Float64Array(B * T * O);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let o = 0; o < O; o++) {
        let sum = bias ? bias[o] : 0;
        for (let j = 0; j < W; j++) {
          const from = t - j * dilation;
          if (from < 0) continue;
          for (let i = 0; i < I; i++) {
            sum += weight[((W - 1 - j) * I + i) * O + o] * x[(b * T + from) * I + i];
          }
        }
        y[(b * T + t) * O + o] = sum;
      }
    }
  }
  return y;
}

/** y = W x + b in every row. */
export function mapNaive(x: Float64Array, { weight, bias, I, O }: NaiveMap): Float64Array {
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
 * The definition of the whole network.
 *
 *   h⁰ = conv_in(x),   z = tanh(·) σ(·) of conv_l(hˡ⁻¹),   hˡ = hˡ⁻¹ + R_l z,   s = Σ_l S_l z,
 *   y = A₂ relu(A₁ relu(s))
 */
export function wavenetNaive(
  x: Float64Array,
  {
    input,
    layers,
    head,
  }: { input: NaiveConv; layers: readonly NaiveLayer[]; head: readonly [NaiveMap, NaiveMap] },
  at: { B: number; T: number },
): Float64Array {
  const relu = (v: number): number => Math.max(v, 0);
  let h = convNaive(x, input, at);
  let total: Float64Array | undefined;
  for (const { conv, residual, skip } of layers) {
    const z = gatedActivationNaive(convNaive(h, conv, at), skip.I);
    const out = mapNaive(z, skip);
    total = total ? total.map((v, i) => v + out[i]) : out;
    if (residual) {
      const step = mapNaive(z, residual);
      h = h.map((v, i) => v + step[i]);
    }
  }
  return mapNaive(mapNaive(total!.map(relu), head[0]).map(relu), head[1]);
}

/** One layer of an array: no skip of its own. */
export interface NaiveArrayLayer {
  readonly conv: NaiveConv;
  readonly mixin: NaiveMap;
  readonly residual?: NaiveMap;
}

/** One array of `wavenetStack`. */
export interface NaiveArray {
  readonly rechannel: NaiveMap;
  readonly layers: readonly NaiveArrayLayer[];
  readonly head: NaiveMap;
}

/**
 * The definition of arrays in a row, each layer seeing the raw input too.
 *
 *   z = f(conv(h) + M x),   h ← h + R z,   s ← s + z,   after each array  s ← H s;   y = c s
 *
 * f is tanh, or the gated activation where conv gives twice the channels.
 */
export function wavenetStackNaive(
  x: Float64Array,
  arrays: readonly NaiveArray[],
  headScale: number,
  at: { B: number; T: number },
): Float64Array {
  let h = x;
  let s: Float64Array | undefined;
  for (const { rechannel, layers, head } of arrays) {
    h = mapNaive(h, rechannel);
    for (const { conv, mixin, residual } of layers) {
      const beside = mapNaive(x, mixin);
      const sum = convNaive(h, conv, at).map((v, i) => v + beside[i]);
      const z = conv.O === conv.I ? sum.map(Math.tanh) : gatedActivationNaive(sum, conv.I);
      s = s ? s.map((v, i) => v + z[i]) : z;
      if (!residual) continue;
      const step = mapNaive(z, residual);
      h = h.map((v, i) => v + step[i]);
    }
    s = mapNaive(s!, head);
  }
  return s!.map((v) => v * headScale);
}
