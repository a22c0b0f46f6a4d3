import { grad, key, normal } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { expect, test } from 'vitest';
import { wavenet } from './mixer.js';
import { gatedActivationNaive, wavenetNaive } from './naive.js';
import type { NaiveConv, NaiveMap } from './naive.js';
import { gatedActivation } from './op.js';

type Values = Readonly<Record<string, HostArray>>;

/** The definition over parameters by path. */
function naiveOf(dilations: readonly number[], params: Values, x: HostArray): Float64Array {
  const [B, T] = x.shape;
  const bias = (path: string): Float64Array => params[`${path}.bias`].data;
  const conv = (path: string, dilation: number): NaiveConv => {
    const { shape, data: weight } = params[`${path}.weight`];
    return { weight, bias: bias(path), W: shape[0], I: shape[1], O: shape[2], dilation };
  };
  const map = (path: string): NaiveMap => {
    const { shape, data: weight } = params[`${path}.weight`];
    return { weight, bias: bias(path), O: shape[0], I: shape[1] };
  };
  const layers = dilations.map((dilation, l) => ({
    conv: conv(`layers.${l}.conv`, dilation),
    skip: map(`layers.${l}.skip`),
    ...(l < dilations.length - 1 && { residual: map(`layers.${l}.residual`) }),
  }));
  return wavenetNaive(
    x.data,
    { input: conv('input', 1), layers, head: [map('head.first'), map('head.second')] },
    { B, T },
  );
}

conformance(wavenet, {
  small: { dModel: 4, convWidth: 2, dilations: [1, 2] },
  learn: { dModel: 16, convWidth: 2, dilations: [1, 2] },
  core: {
    inputs: ({ B, T, random }) => ({ z: random.normal([B, T, 6]) }),
    op: ({ z }) => gatedActivation(z),
    naive: ({ z }) => gatedActivationNaive(z.data, 3),
  },
  naive: (params, x) => naiveOf([1, 2], params, x),
});

const uneven = { residualChannels: 5, gateChannels: 2, skipChannels: 4 };

conformance(wavenet, {
  name: 'wavenet, other widths inside, three taps',
  small: { dModel: 3, convWidth: 3, dilations: [2, 1, 2], ...uneven },
  learn: {
    dModel: 16,
    convWidth: 3,
    dilations: [1, 2],
    residualChannels: 24,
    gateChannels: 12,
    skipChannels: 20,
  },
  naive: (params, x) => naiveOf([2, 1, 2], params, x),
});

test('the last output depends on the last `reach` inputs and on no other', async () => {
  const mixer = wavenet({ dModel: 6, convWidth: 2, dilations: [1, 2, 4] });
  expect(mixer.reach).toBe(9);
  const params = mixer.init(key(0), { dtype: 'f64' });
  const x = normal(key(1), [1, 12, 6], { dtype: 'f64' });
  const g = await grad((input: Tensor) => mixer.forward(params, input).at(-1, 1).sum(), x)
    .abs()
    .sum([0, 2])
    .data();
  g.forEach((v, s) => expect(v !== 0, `∂y/∂x_${s} = ${v}`).toBe(11 - s < 9));
});

test.each([
  [{ dModel: 4, dilations: [] }, 'wavenet: dilations must be a list with one entry per layer, got [].'],
  [{ dModel: 4, gateChannels: 0 }, 'wavenet: gateChannels must be a positive integer, got 0.'],
  [{ dModel: 4, convWidth: 1.5 }, 'wavenet: convWidth must be a positive integer, got 1.5.'],
])('wavenet refuses %j', (options, message) => {
  expect(() => wavenet(options)).toThrow(message);
});

test('gatedActivation refuses an odd number of channels', () => {
  expect(() => gatedActivation(normal(key(0), [2, 3]))).toThrow(
    'gatedActivation: z must be [..., 2D], filters and then gates, got [2, 3].',
  );
});
