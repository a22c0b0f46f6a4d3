import { linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { relu, split } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { CausalConvParams } from '../internal/causal-conv.js';
import { convInit } from '../internal/init.js';
import { checkDilations, checkSizes, defineWindowMixer } from '../internal/window-mixer.js';
import type { WindowState } from '../internal/window-mixer.js';
import { gatedActivation } from './op.js';

/** Options of `wavenet`. */
export interface WavenetOptions {
  readonly dModel: number;
  /** W, taps of each convolution */
  readonly convWidth?: number;
  /** δ of each layer; as many layers as there are entries. */
  readonly dilations?: readonly number[];
  /** R, channels of the residual way; dModel unless told otherwise. */
  readonly residualChannels?: number;
  /** D, channels behind the gate; R unless told otherwise. */
  readonly gateChannels?: number;
  /** S, channels of the skip way; dModel unless told otherwise. */
  readonly skipChannels?: number;
}

/** One layer. */
export type WavenetLayer = {
  /** weight [W, R, 2D], bias [2D]: filters, then gates */
  conv: CausalConvParams;
  /** weight [R, D], bias [R]; the last layer has none, since nothing reads it */
  residual?: LinearParams;
  /** weight [S, D], bias [S] */
  skip: LinearParams;
};

/** Parameters of `wavenet`. */
export type WavenetParams = {
  /** weight [W, C, R], bias [R] */
  input: CausalConvParams;
  layers: WavenetLayer[];
  /** first: weight [S, S], bias [S]; second: weight [C, S], bias [C] */
  head: { first: LinearParams; second: LinearParams };
};

/** State of `wavenet`: `inputs`, [B, W − 1, C] and for each layer [B, (W − 1)δ, R]. */
export type WavenetState = WindowState;

/**
 * WaveNet: dilated causal convolutions with gates, a residual way between the layers and a skip way around them.
 *
 *   h⁰ = conv_in(x)
 *   zˡ = tanh(filter_l(hˡ⁻¹)) ∘ σ(gate_l(hˡ⁻¹)),   hˡ = hˡ⁻¹ + R_l zˡ
 *   y  = A₂ relu(A₁ relu(Σ_l S_l zˡ))
 *
 * `reach` is 1 + (W − 1)(1 + Σ δ).
 *
 * @throws OptionError  sizes that are no positive integers
 * @see van den Oord et al. 2016, arXiv:1609.03499, sections 2.1, 2.3 and 2.4, figure 4
 */
export function wavenet({
  dModel: C,
  convWidth: W = 2,
  dilations = [1, 2, 4, 8, 1, 2, 4, 8],
  residualChannels: R = C,
  gateChannels: D = R,
  skipChannels: S = C,
}: WavenetOptions): CausalMixer<WavenetParams, WavenetState> {
  checkDilations('wavenet', dilations);
  checkSizes('wavenet', { convWidth: W, residualChannels: R, gateChannels: D, skipChannels: S });
  const L = dilations.length;
  return defineWindowMixer<WavenetParams>({
    spec: {
      kind: 'seq/wavenet',
      dModel: C,
      options: {
        convWidth: W,
        dilations: [...dilations],
        residualChannels: R,
        gateChannels: D,
        skipChannels: S,
      },
    },
    convs: [
      { channels: C, convWidth: W, dilation: 1 },
      ...dilations.map((dilation) => ({ channels: R, convWidth: W, dilation })),
    ],
    init(key, o) {
      const [first, second, third, ...keys] = split(key, L + 3);
      const layers = keys.map((own, l) => {
        const [a, b, c] = split(own, 3);
        return {
          conv: convInit(a, [W, R, 2 * D], o),
          ...(l < L - 1 && { residual: linearInit(b, D, R, o) }),
          skip: linearInit(c, D, S, o),
        };
      });
      return {
        input: convInit(first, [W, C, R], o),
        layers,
        head: { first: linearInit(second, S, S, o), second: linearInit(third, S, C, o) },
      };
    },
    run({ input, layers, head }, x, conv) {
      let h = conv(x, input);
      let total: Tensor | undefined;
      for (const { conv: weights, residual, skip } of layers) {
        const z = gatedActivation(conv(h, weights));
        const out = linear(z, skip);
        total = total ? total.add(out) : out;
        if (residual) h = h.add(linear(z, residual));
      }
      return linear(relu(linear(relu(total!), head.first)), head.second);
    },
    cost({ B, T }) {
      const N = B * T;
      const weights = W * C * R + L * (2 * W * R * D + S * D) + (L - 1) * R * D + S * S + S * C;
      const biases = R + L * (2 * D + S) + (L - 1) * R + S + C;
      const matmulFlops = 2 * N * weights;
      const others = L * 3 * D + (L - 1) * (S + R) + 2 * S; // gates, both sums, relus
      return { params: weights + biases, matmulFlops, flops: matmulFlops + N * (biases + others) };
    },
  });
}
