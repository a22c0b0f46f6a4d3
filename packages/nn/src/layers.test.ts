import { key, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { checkGradient, expectClose, normals, numbers } from '../test/check.js';
import { activate } from './activation.js';
import type { Activation } from './activation.js';
import { dropout } from './dropout.js';
import { embedding, embeddingInit } from './embedding.js';
import {
  feedForward,
  feedForwardInit,
  gatedFeedForward,
  gatedFeedForwardInit,
  gatedHidden,
} from './feed-forward.js';
import { linear, linearInit } from './linear.js';
import { residualBlock } from './residual.js';
import { layerFromTorch } from './torch.js';

describe('linear', () => {
  test('maps the last axis, in PyTorch’s layout', async () => {
    const weight = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const bias = tensor([10, 20, 30]);
    await expectClose(linear(tensor([1, -1]), { weight, bias }), [9, 19, 29], 0);
    const x = tensor([
      [
        [1, 0],
        [0, 1],
      ],
    ]);
    const y = linear(x, { weight });
    expect(y.shape).toEqual([1, 2, 3]);
    await expectClose(y, [1, 3, 5, 2, 4, 6], 0);
    expect(linear(tensor(new Float32Array(0), { shape: [0, 4, 2] }), { weight, bias }).shape).toEqual([
      0, 4, 3,
    ]);
  });

  test('gradients are central differences', async () => {
    const inputs = { x: normals(1, [2, 3, 4]), weight: normals(2, [5, 4]), bias: normals(3, [5]) };
    await checkGradient(({ x, weight, bias }) => linear(x, { weight, bias }), inputs);
    await checkGradient(({ x, weight }) => linear(x.swapAxes(0, 1), { weight }), inputs);
  });

  test('starts as U(±1/√I), bias included', async () => {
    const { weight, bias } = linearInit(key(0), 25, 400);
    expect(weight.shape).toEqual([400, 25]);
    for (const [t, n] of [
      [weight, 10_000],
      [bias!, 400],
    ] as const) {
      const v = await numbers(t);
      expect(Math.max(...v.map(Math.abs))).toBeLessThanOrEqual(0.2);
      const variance = v.reduce((a, b) => a + b * b, 0) / n;
      expect(Math.abs(variance / (0.04 / 3) - 1)).toBeLessThan(5 / Math.sqrt(n));
    }
    expect(linearInit(key(0), 2, 3, { bias: false }).bias).toBeUndefined();
    expect(linearInit(key(0), 2, 3, { dtype: 'f64' }).bias!.dtype).toBe('f64');
  });

  test('says what does not fit', () => {
    expect(() => linear(normals(1, [2, 3]), { weight: normals(1, [5, 4]) })).toThrow(
      'linear: x must be [..., I] and weight [O, I] with the same I, got x [2, 3], weight [5, 4].',
    );
  });
});

describe('embedding', () => {
  test('picks rows, of ids of any shape, and adds up gradients of repeated ids', async () => {
    const weight = normals(1, [4, 3]);
    const ids = tensor([[1, 3, 1]], { dtype: 'i32' });
    const y = embedding(ids, { weight });
    expect(y.shape).toEqual([1, 3, 3]);
    await expectClose(y.at(0, 0).at(1), weight.at(3), 0);
    await checkGradient((w) => embedding(ids, { weight: w }), weight);
    expect(() => embedding(tensor([1.5]), { weight })).toThrow('embedding: ids must be i32, got f32.');
    await expect(embedding(tensor([4], { dtype: 'i32' }), { weight }).data()).rejects.toMatchObject({
      code: 'index',
    });
  });

  test('starts as N(0, 1)', async () => {
    const v = await numbers(embeddingInit(key(0), 100, 100).weight);
    expect(v.reduce((a, b) => a + b * b, 0) / v.length).toBeCloseTo(1, 1);
  });
});

describe('feed-forward layers', () => {
  const x = normals(1, [2, 3, 4]);

  test('are what their formulas say', async () => {
    const ff = feedForwardInit(key(0), 4, { hidden: 5, dtype: 'f64' });
    await expectClose(
      feedForward(x, ff, { activation: 'relu' }),
      linear(linear(x, ff.up).relu(), ff.down),
      0,
    );
    const gated = gatedFeedForwardInit(key(0), 4, { hidden: 5, dtype: 'f64' });
    await expectClose(
      gatedFeedForward(x, gated),
      linear(linear(x, gated.gate).silu().mul(linear(x, gated.up)), gated.down),
      0,
    );
  });

  test('gradients are central differences', async () => {
    await checkGradient(({ x, ff }) => feedForward(x, ff), {
      x,
      ff: feedForwardInit(key(0), 4, { hidden: 3, dtype: 'f64' }),
    });
    const ff = gatedFeedForwardInit(key(0), 4, { hidden: 3, bias: true, dtype: 'f64' });
    await checkGradient(({ x, ff }) => gatedFeedForward(x, ff), { x, ff });
  });

  test('default widths: 4C, and 8C/3 up to a multiple of 64', () => {
    expect(feedForwardInit(key(0), 8).up.weight.shape).toEqual([32, 8]);
    expect([24, 128, 256, 768].map(gatedHidden)).toEqual([64, 384, 704, 2048]);
    expect(gatedFeedForwardInit(key(0), 24).gate.bias).toBeUndefined();
  });

  test.each<[Activation, (v: number) => number]>([
    ['relu', (v) => Math.max(v, 0)],
    ['reluSquared', (v) => Math.max(v, 0) ** 2],
    ['silu', (v) => v / (1 + Math.exp(-v))],
    ['tanh', Math.tanh],
    ['sigmoid', (v) => 1 / (1 + Math.exp(-v))],
    ['softplus', (v) => Math.log1p(Math.exp(v))],
    ['geluTanh', (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))],
    ['elu', (v) => (v > 0 ? v : Math.expm1(v))],
    ['mish', (v) => v * Math.tanh(Math.log1p(Math.exp(v)))],
  ])('activation %s', async (name, f) => {
    await expectClose(activate(x, name), (await numbers(x)).map(f), 1e-12);
  });

  test('an unknown activation is named beside those there are', () => {
    expect(() => activate(x, 'swish' as Activation)).toThrow(
      /^activate: activation must be one of relu, gelu, .*, got 'swish'\.$/,
    );
  });
});

describe('dropout', () => {
  const x = normals(1, [100, 100]);

  test('drops its share, scales the rest, and repeats itself for a key', async () => {
    const y = await numbers(dropout(x, 0.3, key(1)));
    const host = await numbers(x);
    const kept = y.filter((v) => v !== 0).length;
    expect(Math.abs(kept / y.length - 0.7)).toBeLessThan(0.02);
    y.forEach((v, i) => v !== 0 && expect(v).toBeCloseTo(host[i] / 0.7, 12));
    await expectClose(dropout(x, 0.3, key(1)), y, 0);
    expect(await numbers(dropout(x, 0.3, key(2)))).not.toEqual(y);
  });

  test('does nothing without a key or rate, all at rate 1', async () => {
    expect(dropout(x, 0.3, undefined)).toBe(x);
    expect(dropout(x, 0, key(1))).toBe(x);
    expect((await numbers(dropout(x, 1, key(1)))).every((v) => v === 0)).toBe(true);
    expect(() => dropout(x, 1.1, key(1))).toThrow('dropout: rate must be within 0 … 1, got 1.1.');
  });

  test('gradients are central differences for a fixed key', async () => {
    await checkGradient((t) => dropout(t, 0.5, key(3)), normals(2, [4, 5]));
  });
});

describe('residualBlock', () => {
  test('adds a normalised, dropped branch to x, and hands on what the branch carries', async () => {
    const x = normals(1, [2, 3]);
    const norm = (h: Tensor): Tensor => h.mul(2);
    await expectClose(
      residualBlock(x, (h) => h.add(1), { norm }),
      x.mul(3).add(1),
      1e-14,
    );
    const [y, state] = residualBlock(x, (h): [Tensor, { n: number }] => [h, { n: 5 }]);
    await expectClose(y, x.mul(2), 0);
    expect(state.n).toBe(5);
    const k = key(7);
    await expectClose(
      residualBlock(x, (h) => h, { dropout: 0.5, key: k }),
      x.add(dropout(x, 0.5, k)),
      0,
    );
    await checkGradient((t) => residualBlock(t, (h) => h.tanh(), { norm, dropout: 0.5, key: k }), x);
  });
});

test('layerFromTorch finds the parameters of a module by its name', () => {
  const weight = tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  const bias = tensor([1, 2, 3]);
  const named = {
    'head.weight': weight,
    'head.bias': bias,
    'emb.weight': weight,
    'bad.weight': bias,
    'bad.bias': weight,
  };
  expect(layerFromTorch(named, 'head')).toEqual({ weight, bias });
  expect(layerFromTorch(new Map(Object.entries(named)), 'emb')).toEqual({ weight });
  expect(() => layerFromTorch(named, 'tail')).toThrow('layerFromTorch: tail.weight is missing.');
  expect(() => layerFromTorch(named, 'constructor')).toThrow('constructor.weight is missing');
  expect(() => layerFromTorch(named, 'bad')).toThrow(
    'layerFromTorch: bad.bias must be [3] like the first axis of the weight, got [3, 2].',
  );
});
