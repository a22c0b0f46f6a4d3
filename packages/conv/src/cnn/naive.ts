/** One layer: weight [W, C/G, C] with index W − 1 for the newest input, bias [C] or none. */
export interface NaiveLayer {
  readonly weight: Float64Array;
  readonly bias?: Float64Array;
  readonly dilation: number;
}

/**
 * The definition of one causal convolution.
 *
 *   y_t = b + Σ_j w_{W−1−j} x_{t−jδ},   inputs before the state are 0
 *
 * @param x      [B, T, C]
 * @param state  [B, (W−1)δ, C]  inputs before x, oldest first; zeros if absent
 * @returns      [B, T, C]
 */
export function causalConvNaive(
  x: Float64Array,
  { weight, bias, dilation }: NaiveLayer,
  { B, T, C, W, groups = 1 }: { B: number; T: number; C: number; W: number; groups?: number },
  state?: Float64Array,
): Float64Array {
  const y = new Float64Array(B * T * C);
  const span = (W - 1) * dilation;
  const size = C / groups;
  const input = (b: number, t: number, c: number): number => {
    if (t >= 0) return x[(b * T + t) * C + c];
    return state ? state[(b * span + span + t) * C + c] : 0;
  };
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let o = 0; o < C; o++) {
        const group = Math.floor(o / size) * size;
        let sum = bias ? bias[o] : 0;
        for (let j = 0; j < W; j++) {
          for (let i = 0; i < size; i++) {
            sum += weight[((W - 1 - j) * size + i) * C + o] * input(b, t - j * dilation, group + i);
          }
        }
        y[(b * T + t) * C + o] = sum;
      }
    }
  }
  return y;
}

/**
 * The definition of the whole stack.
 *
 *   h⁰ = x,   hˡ = r hˡ⁻¹ + f(conv_l(hˡ⁻¹)),   r = 1 with residual, else 0
 */
export function cnnNaive(
  x: Float64Array,
  layers: readonly NaiveLayer[],
  shape: { B: number; T: number; C: number; W: number; groups?: number },
  { f, residual }: { f: (v: number) => number; residual: boolean },
): Float64Array {
  let h = x;
  for (const layer of layers) {
    const z = causalConvNaive(h, layer, shape);
    h = z.map((v, i) => f(v) + (residual ? h[i] : 0));
  }
  return h;
}
