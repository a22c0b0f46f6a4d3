import type { Activation, CausalMixer, LinearParams } from '@seq/nn';
import { FormatError, show } from '@seq/tensor';
import type { Shape, Tensor } from '@seq/tensor';
import { wavenetStack } from './stack.js';
import type { WavenetStackLayer, WavenetStackParams, WavenetStackState } from './stack.js';

/** One array of a neural amp model, as its configuration has it. */
export interface WavenetArrayConfig {
  readonly input_size: number;
  readonly condition_size: number;
  readonly head_size: number;
  readonly channels: number;
  readonly kernel_size: number;
  readonly dilations: readonly number[];
  readonly activation: string;
  readonly gated: boolean;
  readonly head_bias: boolean;
}

/** What `loadWavenetStack` reads of a configuration. */
export interface WavenetConfig {
  readonly head_scale: number;
  readonly layers: readonly WavenetArrayConfig[];
}

const activations: Readonly<Record<string, Activation>> = {
  Tanh: 'tanh',
  ReLU: 'relu',
  Sigmoid: 'sigmoid',
  SiLU: 'silu',
};

const where = 'loadWavenetStack';

/**
 * A trained `wavenetStack` from the configuration of a neural amp model and its tensors.
 *
 * Tensors by name, in the layout of PyTorch:
 *
 *   arrays.a.rechannel.weight           [R, I]
 *   arrays.a.layers.l.conv.weight       [R or 2R, R, W], conv.bias
 *   arrays.a.layers.l.mixin.weight      [R or 2R, C]
 *   arrays.a.layers.l.res.weight        [R, R], res.bias; the very last one is not read, nothing depends on it
 *   arrays.a.head.weight                [S, R], head.bias where head_bias says so
 *
 * @param config   parsed JSON: `head_scale`, and `layers` with an entry per array
 * @param tensors  as `loadTensors` gives them
 * @throws FormatError  a configuration of another network, tensors that are missing, left over or of another shape
 * @throws OptionError  sizes that do not fit together
 */
export function loadWavenetStack(
  config: WavenetConfig,
  tensors: ReadonlyMap<string, Tensor>,
): { mixer: CausalMixer<WavenetStackParams, WavenetStackState>; params: WavenetStackParams } {
  if (!Array.isArray(config.layers) || config.layers.length === 0 || typeof config.head_scale !== 'number') {
    throw new FormatError(
      `${where}: the configuration must have head_scale and a list of layers, got the keys ${Object.keys(config).join(', ')}.`,
    );
  }
  const layers = config.layers as readonly WavenetArrayConfig[];
  const C = layers[0].input_size;
  const arrays = layers.map((array, a) => {
    const expected = a === 0 ? C : layers[a - 1].channels;
    if (array.input_size !== expected || array.condition_size !== C) {
      throw new FormatError(
        `${where}: layers[${a}] must have input_size ${expected} and condition_size ${C}, got ${array.input_size} and ${array.condition_size}.`,
      );
    }
    const activation = Object.hasOwn(activations, array.activation) && activations[array.activation];
    if (!activation) {
      throw new FormatError(
        `${where}: activation must be one of ${Object.keys(activations).join(', ')}, got '${array.activation}'.`,
      );
    }
    return {
      channels: array.channels,
      headSize: array.head_size,
      convWidth: array.kernel_size,
      dilations: array.dilations,
      activation,
      gated: array.gated,
      headBias: array.head_bias,
    };
  });
  const mixer = wavenetStack({ dModel: C, arrays, headScale: config.head_scale });

  const left = new Set(tensors.keys());
  const take = (name: string, shape: Shape): Tensor => {
    const tensor = tensors.get(name);
    if (!tensor || show(tensor.shape) !== show(shape)) {
      const got = tensor ? show(tensor.shape) : 'none';
      throw new FormatError(`${where}: ${name} must be ${show(shape)}, got ${got}.`);
    }
    left.delete(name);
    return tensor;
  };
  const map = (name: string, O: number, I: number, bias: boolean): LinearParams => ({
    weight: take(`${name}.weight`, [O, I]),
    ...(bias && { bias: take(`${name}.bias`, [O]) }),
  });
  const layer = (name: string, a: number, l: number): WavenetStackLayer => {
    const { channels: R, convWidth: W, gated, dilations } = arrays[a];
    const wide = gated ? 2 * R : R;
    const residual = map(`${name}.res`, R, R, true);
    const last = a === arrays.length - 1 && l === dilations.length - 1;
    return {
      conv: {
        weight: take(`${name}.conv.weight`, [wide, R, W]).transpose([2, 1, 0]).contiguous(),
        bias: take(`${name}.conv.bias`, [wide]),
      },
      mixin: map(`${name}.mixin`, wide, C, false),
      ...(!last && { residual }),
    };
  };
  const params: WavenetStackParams = {
    arrays: arrays.map(({ channels: R, headSize: S, dilations, headBias }, a) => ({
      rechannel: map(`arrays.${a}.rechannel`, R, layers[a].input_size, false),
      layers: dilations.map((_, l) => layer(`arrays.${a}.layers.${l}`, a, l)),
      head: map(`arrays.${a}.head`, S, R, headBias),
    })),
  };
  if (left.size > 0) {
    throw new FormatError(
      `${where}: every tensor must belong to the configured network, ${[...left].join(', ')} do not.`,
    );
  }
  return { mixer, params };
}
