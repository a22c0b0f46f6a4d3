import { bernoulli, cpu, grad, key, normal, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance, hostRandom, toTensor } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { convFromTorch } from './load.js';
import { cnn } from './mixer.js';
import type { CnnOptions } from './mixer.js';
import { causalConvNaive, cnnNaive } from './naive.js';
import type { NaiveLayer } from './naive.js';
import { causalConv } from './op.js';
import { receptiveField } from '../internal/receptive-field.js';

const silu = (v: number): number => v / (1 + Math.exp(-v));
const [C, W, G, dilation] = [4, 3, 2, 2];
const small = { dModel: C, convWidth: W, dilations: [1, 3] } satisfies CnnOptions;

/** Layers as `naive` takes them, from parameters by path. */
function layersOf(
  params: Readonly<Record<string, { data: Float64Array }>>,
  dilations: readonly number[],
): NaiveLayer[] {
  return dilations.map((d, l) => {
    const bias = params[`layers.${l}.bias`];
    return { weight: params[`layers.${l}.weight`].data, ...(bias && { bias: bias.data }), dilation: d };
  });
}

conformance(cnn, {
  small,
  core: {
    inputs: ({ B, T, random }) => ({
      x: random.normal([B, T, C]),
      weight: random.normal([W, C / G, C]),
      bias: random.normal([C]),
      state: random.normal([B, (W - 1) * dilation, C]),
    }),
    op({ x, weight, bias, state }) {
      const [y, next] = causalConv(x, { weight, bias }, { dilation, groups: G, state });
      return { y, next };
    },
    naive({ x, weight, bias, state }) {
      const [B, T] = x.shape;
      const layer = { weight: weight.data, bias: bias.data, dilation };
      const y = causalConvNaive(x.data, layer, { B, T, C, W, groups: G }, state.data);
      const span = (W - 1) * dilation;
      const next = new Float64Array(B * span * C);
      for (let b = 0; b < B; b++) {
        const all = [
          ...state.data.subarray(b * span * C, (b + 1) * span * C),
          ...x.data.subarray(b * T * C, (b + 1) * T * C),
        ];
        next.set(all.slice(-span * C), b * span * C);
      }
      return { y, next };
    },
  },
  naive: (params, x) =>
    cnnNaive(
      x.data,
      layersOf(params, small.dilations),
      { B: x.shape[0], T: x.shape[1], C, W },
      { f: silu, residual: true },
    ),
});

describe('variants keep the laws', () => {
  conformance(cnn, {
    name: 'cnn, grouped, no residual, no bias',
    small: {
      dModel: C,
      convWidth: 2,
      dilations: [1, 2],
      groups: 2,
      residual: false,
      bias: false,
      activation: 'tanh',
    },
    learn: { dModel: 16, convWidth: 2, dilations: [1, 2], residual: false, bias: false, activation: 'tanh' },
    naive: (params, x) =>
      cnnNaive(
        x.data,
        layersOf(params, [1, 2]),
        { B: x.shape[0], T: x.shape[1], C, W: 2, groups: 2 },
        { f: Math.tanh, residual: false },
      ),
  });
});

describe('causalConv', () => {
  const B = 3;
  const T = 7;
  const span = (W - 1) * dilation;
  const x = normal(key(1), [B, T, C], { dtype: 'f64' });
  const state = normal(key(2), [B, span, C], { dtype: 'f64' });
  const params = (groups: number): { weight: Tensor; bias: Tensor } => ({
    weight: normal(key(3), [W, C / groups, C], { dtype: 'f64' }),
    bias: normal(key(4), [C], { dtype: 'f64' }),
  });

  test.each([1, 2, 4])(
    'resets and lengths with %i groups are runs of the single documents',
    async (groups) => {
      const p = params(groups);
      const flags: number[] = Array.from(await bernoulli(key(5), 0.3, [B, T]).data());
      const lengths = [7, 0, 4];
      const [y, next] = causalConv(x, p, {
        dilation,
        groups,
        state,
        resets: tensor(flags, { dtype: 'bool', shape: [B, T] }),
        lengths: tensor(lengths, { dtype: 'i32' }),
      });
      for (let b = 0; b < B; b++) {
        let past = state.slice(0, b, b + 1);
        for (let t = 0; t < lengths[b]; t++) {
          if (flags[b * T + t]) past = past.mul(0);
          const [out, after] = causalConv(x.slice(0, b, b + 1).slice(1, t, t + 1), p, {
            dilation,
            groups,
            state: past,
          });
          const error = out
            .at(0, 1)
            .sub(y.at(b, 0).slice(0, t, t + 1))
            .abs()
            .max();
          expect(await error.item()).toBeLessThan(1e-12);
          past = after;
        }
        expect(await past.at(0, 0).sub(next.at(b, 0)).abs().max().item()).toBeLessThan(1e-12);
      }
    },
  );

  test.each([
    [() => causalConv(x.at(0, 1), params(1)), 'causalConv: x must be [B, T, I], got [3, 4].'],
    [
      () => causalConv(x, params(1), { dilation: 0 }),
      'causalConv: dilation must be a positive integer, got 0.',
    ],
    [
      () => causalConv(x, params(1), { groups: 3 }),
      'causalConv: groups must divide the channels I = 4, got 3.',
    ],
    [
      () => causalConv(x, params(2)),
      "causalConv: weight must be [W, I/groups, O] with I/groups = 4, got [3, 2, 4]. PyTorch's [O, I/groups, W] must be transposed by [2, 1, 0].",
    ],
    [
      () => causalConv(x, params(1), { state }),
      'causalConv: state must be [B, (W − 1)δ, I] = [3, 2, 4], got [3, 4, 4]. Make it with causalConvState.',
    ],
  ])('refuses %#', (run, message) => {
    expect(run).toThrow(message);
  });
});

describe('reach', () => {
  test.each([
    [[{ convWidth: 3 }], 3],
    [
      [
        { convWidth: 2, dilation: 1 },
        { convWidth: 2, dilation: 2 },
        { convWidth: 2, dilation: 4 },
      ],
      8,
    ],
    [
      [
        { convWidth: 3, stride: 2 },
        { convWidth: 3, stride: 2 },
      ],
      7,
    ],
    [Array.from({ length: 99 }, () => ({ convWidth: 2 })), 100],
    [[], 1],
  ])('receptive field %#', (layers, reach) => {
    expect(receptiveField(layers)).toBe(reach);
  });

  test('the last output depends on exactly the last `reach` inputs', async () => {
    const mixer = cnn({ dModel: 2, convWidth: 3, dilations: [1, 2, 4] });
    expect(mixer.reach).toBe(15);
    const params = mixer.init(key(0), { dtype: 'f64' });
    const T = 20;
    const x = normal(key(1), [1, T, 2], { dtype: 'f64' });
    const g = await grad((input: Tensor) => mixer.forward(params, input).at(-1, 1).sum(), x)
      .abs()
      .sum(2)
      .data();
    g.forEach((v, s) => expect(v !== 0, `∂y_${T}/∂x_${s} = ${v}`).toBe(T - 1 - s < 15));
  });

  test('says which layer is wrong', () => {
    expect(() => receptiveField([{ convWidth: 2 }, { convWidth: 0 }])).toThrow(
      'receptiveField: convWidth must be a positive integer, got 0 in layer 1.',
    );
  });
});

test.each([
  [{ dModel: 4, dilations: [] }, 'cnn: dilations must be a list with one entry per layer, got [].'],
  [{ dModel: 4, groups: 3 }, 'cnn: groups must divide dModel = 4, got 3.'],
  [{ dModel: 4, convWidth: 1.5 }, 'convWidth must be a positive integer, got 1.5 in layer 0.'],
  [{ dModel: 4, activation: 'swish' as 'silu' }, "got 'swish'."],
])('cnn refuses %j', (options, message) => {
  expect(() => cnn(options)).toThrow(message);
});

test('convFromTorch turns [O, I, W] round', async () => {
  const [O, I] = [3, 2];
  const host = hostRandom(5).normal([O, I, W]);
  const weight = toTensor(host, { device: cpu(), dtype: 'f64' });
  const bias = tensor([1, 2, 3], { dtype: 'f64' });
  const params = convFromTorch({ 'conv.weight': weight, 'conv.bias': bias }, 'conv');
  expect(params.weight.shape).toEqual([W, I, O]);
  const x = normal(key(2), [1, 5, I], { dtype: 'f64' });
  const inputs = await x.data();
  const want = Array.from({ length: 5 }, (_, t) =>
    Array.from({ length: O }, (_unused, o) => {
      let y = o + 1;
      for (let i = 0; i < I; i++)
        for (let w = 0; w < W; w++) {
          const at = t - (W - 1 - w); // the last tap sees the present input
          if (at >= 0) y += host.data[(o * I + i) * W + w] * inputs[at * I + i];
        }
      return y;
    }),
  ).flat();
  const got = await causalConv(x, params)[0].data();
  want.forEach((v, i) => expect(got[i]).toBeCloseTo(v, 12));
  expect(() => convFromTorch({ 'conv.weight': weight.at(0) }, 'conv')).toThrow(
    'convFromTorch: conv.weight must be [O, I/groups, W], got [2, 3].',
  );
});
