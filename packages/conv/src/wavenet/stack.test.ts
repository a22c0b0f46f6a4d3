import { key, loadTensors, normal, saveTensors } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { loadWavenetStack } from './load.js';
import type { WavenetConfig } from './load.js';
import { wavenetStackNaive } from './naive.js';
import type { NaiveMap } from './naive.js';
import { wavenetStack } from './stack.js';
import type { WavenetStackOptions } from './stack.js';

/** The definition over parameters by path. */
function naiveOf(
  { arrays, headScale = 1 }: WavenetStackOptions,
  params: Readonly<Record<string, HostArray>>,
  x: HostArray,
): Float64Array {
  const map = (path: string): NaiveMap => {
    const { shape, data: weight } = params[`${path}.weight`];
    const bias = params[`${path}.bias`];
    return { weight, ...(bias && { bias: bias.data }), O: shape[0], I: shape[1] };
  };
  const networks = arrays.map(({ dilations }, a) => ({
    rechannel: map(`arrays.${a}.rechannel`),
    layers: dilations.map((dilation, l) => {
      const path = `arrays.${a}.layers.${l}`;
      const { shape, data: weight } = params[`${path}.conv.weight`];
      const last = a === arrays.length - 1 && l === dilations.length - 1;
      return {
        conv: {
          weight,
          bias: params[`${path}.conv.bias`].data,
          W: shape[0],
          I: shape[1],
          O: shape[2],
          dilation,
        },
        mixin: map(`${path}.mixin`),
        ...(!last && { residual: map(`${path}.residual`) }),
      };
    }),
    head: map(`arrays.${a}.head`),
  }));
  return wavenetStackNaive(x.data, networks, headScale, { B: x.shape[0], T: x.shape[1] });
}

const two = {
  dModel: 2,
  headScale: 0.5,
  arrays: [
    { channels: 4, headSize: 3, convWidth: 2, dilations: [1, 2] },
    { channels: 3, headSize: 2, convWidth: 3, dilations: [1, 2], headBias: true },
  ],
};
const gated = {
  dModel: 3,
  arrays: [{ channels: 2, headSize: 3, convWidth: 2, dilations: [1, 2], gated: true }],
};

conformance(wavenetStack, {
  small: two,
  learn: { dModel: 16, arrays: [{ channels: 16, headSize: 16, convWidth: 2, dilations: [1, 2] }] },
  naive: (params, x) => naiveOf(two, params, x),
});

conformance(wavenetStack, {
  name: 'wavenetStack, gated',
  small: gated,
  learn: { dModel: 16, arrays: [{ ...gated.arrays[0], channels: 16, headSize: 16 }] },
  naive: (params, x) => naiveOf(gated, params, x),
});

test.each([
  [{ dModel: 2, arrays: [] }, 'wavenetStack: arrays must be a list with one entry per array, got [].'],
  [
    { dModel: 2, arrays: [{ ...two.arrays[0], headSize: 3 }] },
    'wavenetStack: arrays[0]: headSize must be dModel, 2, got 3.',
  ],
  [
    { ...two, arrays: [{ ...two.arrays[0], headSize: 5 }, two.arrays[1]] },
    'wavenetStack: arrays[0]: headSize must be the channels of the next array, 3, got 5.',
  ],
  [{ ...two, headScale: NaN }, 'wavenetStack: headScale must be a finite number, got NaN.'],
])('wavenetStack refuses %#', (options, message) => {
  expect(() => wavenetStack(options)).toThrow(message);
});

describe('loadWavenetStack', () => {
  const config: WavenetConfig = {
    head_scale: 0.25,
    layers: [
      {
        input_size: 1,
        condition_size: 1,
        head_size: 1,
        channels: 2,
        kernel_size: 3,
        dilations: [1, 2],
        activation: 'Tanh',
        gated: true,
        head_bias: true,
      },
    ],
  };
  const layer = (l: number): [string, number[]][] => [
    [`arrays.0.layers.${l}.conv.weight`, [4, 2, 3]],
    [`arrays.0.layers.${l}.conv.bias`, [4]],
    [`arrays.0.layers.${l}.mixin.weight`, [4, 1]],
    [`arrays.0.layers.${l}.res.weight`, [2, 2]],
    [`arrays.0.layers.${l}.res.bias`, [2]],
  ];
  const shapes: [string, number[]][] = [
    ['arrays.0.rechannel.weight', [2, 1]],
    ...layer(0),
    ...layer(1),
    ['arrays.0.head.weight', [1, 2]],
    ['arrays.0.head.bias', [1]],
  ];
  const tensors = (): Map<string, Tensor> =>
    new Map(shapes.map(([name, shape], i) => [name, normal(key(i), shape)]));

  test('lays the tensors of a file out as the mixer has them', async () => {
    const stored = tensors();
    const file = await saveTensors(Object.fromEntries(stored));
    const { mixer, params } = loadWavenetStack(config, loadTensors(file));
    expect(mixer.reach).toBe(7);
    const { weight } = params.arrays[0].layers[1].conv;
    expect(weight.shape).toEqual([3, 2, 4]);
    const original = stored.get('arrays.0.layers.1.conv.weight')!;
    expect(await weight.at(2).at(1).at(3).item()).toBe(await original.at(3).at(1).at(2).item());
    expect(mixer.forward(params, normal(key(50), [2, 9, 1])).shape).toEqual([2, 9, 1]);
  });

  test('says what does not fit', () => {
    const without = tensors();
    without.delete('arrays.0.head.bias');
    expect(() => loadWavenetStack(config, without)).toThrow('arrays.0.head.bias must be [1], got none.');
    const other = tensors().set('arrays.0.head.bias', normal(key(0), [2]));
    expect(() => loadWavenetStack(config, other)).toThrow('arrays.0.head.bias must be [1], got [2].');
    const more = tensors().set('arrays.1.head.bias', normal(key(0), [2]));
    expect(() => loadWavenetStack(config, more)).toThrow('arrays.1.head.bias do not.');
    const [array] = config.layers;
    const softsign = { ...config, layers: [{ ...array, activation: 'Softsign' }] };
    expect(() => loadWavenetStack(softsign, tensors())).toThrow("SiLU, got 'Softsign'.");
    const conditioned = { ...config, layers: [{ ...array, condition_size: 2 }] };
    expect(() => loadWavenetStack(conditioned, tensors())).toThrow(
      'layers[0] must have input_size 1 and condition_size 1, got 1 and 2.',
    );
    expect(() => loadWavenetStack({ ...config, layers: [] }, tensors())).toThrow(
      'must have head_scale and a list of layers',
    );
  });
});
