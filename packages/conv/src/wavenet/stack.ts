import { activate, activationFlops, checkActivation, linear, linearInit } from '@seq/nn';
import type { Activation, CausalMixer, LinearParams } from '@seq/nn';
import { OptionError, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import type { CausalConvParams } from '../internal/causal-conv.js';
import { convInit } from '../internal/init.js';
import { checkDilations, checkSizes, defineWindowMixer } from '../internal/window-mixer.js';
import type { WindowState } from '../internal/window-mixer.js';
import { gatedActivation } from './op.js';

/** One array of layers of one width. */
export interface WavenetArrayOptions {
  /** R, channels of its layers */
  readonly channels: number;
  /** S, channels that its head gives on: the `channels` of the next array, or dModel in the last one */
  readonly headSize: number;
  /** W, taps of each convolution */
  readonly convWidth: number;
  /** δ of each layer; as many layers as there are entries. */
  readonly dilations: readonly number[];
  /** Of what comes from the convolution; a gated layer has the gated activation instead. */
  readonly activation?: Activation;
  /** Filters and gates, as in `wavenet`. */
  readonly gated?: boolean;
  readonly headBias?: boolean;
}

/** Options of `wavenetStack`. */
export interface WavenetStackOptions {
  readonly dModel: number;
  readonly arrays: readonly WavenetArrayOptions[];
  /** c, factor of the output */
  readonly headScale?: number;
}

/** One layer of an array. */
export type WavenetStackLayer = {
  /** weight [W, R, R], gated [W, R, 2R], and the bias of that width */
  conv: CausalConvParams;
  /** weight [R or 2R, C]: what the layer sees of the raw input */
  mixin: LinearParams;
  /** weight [R, R], bias [R]; the very last layer has none, since nothing reads it */
  residual?: LinearParams;
};

/** Parameters of `wavenetStack`. */
export type WavenetStackParams = {
  arrays: {
    /** weight [R, channels of the array before, or C] */
    rechannel: LinearParams;
    layers: WavenetStackLayer[];
    /** weight [S, R], bias [S] if any */
    head: LinearParams;
  }[];
};

/** State of `wavenetStack`: `inputs`, for each layer [B, (W − 1)δ, R]. */
export type WavenetStackState = WindowState;

/**
 * WaveNets in a row that all see the raw input, as models of amplifiers and effects have them.
 *
 *   in each array, from h (x at first) and s (nothing at first):
 *     h ← Q h;   for each layer:  z = f(conv_l(h) + M_l x),   s ← s + z,   h ← h + R_l z;   s ← H s
 *   y = c s
 *
 * f is the activation, or tanh ∘ σ of two halves where the array is gated. `reach` is 1 + Σ (W − 1)δ.
 *
 * @throws OptionError  sizes that are no positive integers, a headSize that the next array cannot take, an unknown activation
 * @see van den Oord et al. 2016, arXiv:1609.03499, sections 2.4 and 2.5; Damskägg et al. 2019, arXiv:1811.00334 (tube amplifiers)
 */
export function wavenetStack({
  dModel: C,
  arrays,
  headScale = 1,
}: WavenetStackOptions): CausalMixer<WavenetStackParams, WavenetStackState> {
  const all = checkArrays(C, arrays);
  if (!Number.isFinite(headScale)) {
    throw new OptionError(`wavenetStack: headScale must be a finite number, got ${headScale}.`);
  }
  const last = (a: number, l: number): boolean => a === all.length - 1 && l === all[a].dilations.length - 1;

  return defineWindowMixer<WavenetStackParams>({
    spec: {
      kind: 'seq/wavenet-stack',
      dModel: C,
      options: { arrays: all.map((array) => ({ ...array, dilations: [...array.dilations] })), headScale },
    },
    convs: all.flatMap(({ channels, convWidth, dilations }) =>
      dilations.map((dilation) => ({ channels, convWidth, dilation })),
    ),
    init(key, o) {
      const keys = split(key, all.length);
      return { arrays: all.map((array, a) => initArray(keys[a], array, all[a - 1]?.channels ?? C, a)) };

      function initArray(
        own: Key,
        { channels: R, headSize, convWidth, dilations, gated, headBias }: Required<WavenetArrayOptions>,
        I: number,
        a: number,
      ): WavenetStackParams['arrays'][number] {
        const [first, second, ...rest] = split(own, dilations.length + 2);
        const wide = gated ? 2 * R : R;
        const plain: TensorOptions & { bias: boolean } = { ...o, bias: false };
        const layers = rest.map((layerKey, l) => {
          const [x, y, z] = split(layerKey, 3);
          return {
            conv: convInit(x, [convWidth, R, wide], o),
            mixin: linearInit(y, C, wide, plain),
            ...(!last(a, l) && { residual: linearInit(z, R, R, o) }),
          };
        });
        return {
          rechannel: linearInit(first, I, R, plain),
          layers,
          head: linearInit(second, R, headSize, { ...o, bias: headBias }),
        };
      }
    },
    run(params, x, conv) {
      let h = x;
      let total: Tensor | undefined;
      params.arrays.forEach(({ rechannel, layers, head }, a) => {
        const { gated, activation } = all[a];
        h = linear(h, rechannel);
        for (const { conv: weights, mixin, residual } of layers) {
          const sum = conv(h, weights).add(linear(x, mixin));
          const z = gated ? gatedActivation(sum) : activate(sum, activation);
          total = total ? total.add(z) : z;
          if (residual) h = h.add(linear(z, residual));
        }
        total = linear(total!, head);
      });
      return total!.mul(headScale);
    },
    cost({ B, T }) {
      let [weights, biases, others] = [0, 0, C]; // of one position
      all.forEach(({ channels: R, headSize, convWidth, dilations, gated, activation, headBias }, a) => {
        const wide = gated ? 2 * R : R;
        const L = dilations.length;
        const residuals = a === all.length - 1 ? L - 1 : L;
        weights += R * (all[a - 1]?.channels ?? C) + headSize * R;
        weights += L * wide * (convWidth * R + C) + residuals * R * R;
        biases += L * wide + residuals * R + (headBias ? headSize : 0);
        others += L * (wide + R * (gated ? 3 : activationFlops(activation))); // mixin, nonlinearity
        others += residuals * R + (a === 0 ? L - 1 : L) * R; // both sums
      });
      const matmulFlops = 2 * B * T * weights;
      return {
        params: weights + biases,
        matmulFlops,
        flops: matmulFlops + B * T * (biases + others),
      };
    },
  });
}

/** The arrays with all options told, each giving on what the next can take. */
function checkArrays(
  C: number,
  arrays: readonly WavenetArrayOptions[],
): readonly Required<WavenetArrayOptions>[] {
  const where = 'wavenetStack';
  if (!Array.isArray(arrays) || arrays.length === 0) {
    throw new OptionError(
      `${where}: arrays must be a list with one entry per array, got ${JSON.stringify(arrays)}.`,
    );
  }
  return (arrays as readonly WavenetArrayOptions[]).map((array, a) => {
    const { activation = 'tanh', gated = false, headBias = false, ...sizes } = array;
    const { channels, headSize, convWidth, dilations } = sizes;
    const own = `${where}: arrays[${a}]`;
    checkSizes(own, { channels, headSize, convWidth });
    checkDilations(own, dilations);
    checkActivation(own, activation);
    const next = arrays[a + 1]?.channels ?? C;
    if (headSize !== next) {
      const taker = a === arrays.length - 1 ? 'dModel' : 'the channels of the next array';
      throw new OptionError(`${own}: headSize must be ${taker}, ${next}, got ${headSize}.`);
    }
    return { channels, headSize, convWidth, dilations, activation, gated, headBias };
  });
}
