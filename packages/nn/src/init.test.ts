import { createCpu, eye, key, matmul } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { expectClose, numbers } from '../test/check.js';
import {
  constantInit,
  fans,
  gain,
  identityInit,
  kaimingNormal,
  kaimingUniform,
  lecunNormal,
  normalInit,
  onesInit,
  orthogonal,
  truncatedNormalInit,
  uniformFan,
  uniformInit,
  xavierNormal,
  xavierUniform,
  zerosInit,
} from './init.js';
import type { Initializer } from './init.js';

const shape = [300, 100]; // fanIn 100, fanOut 300
const n = 30_000;

/** Mean and variance within five standard errors, bounds never crossed. */
async function expectMoments(t: Tensor, variance: number, bound: number): Promise<void> {
  const v = await numbers(t);
  expect(v.length).toBe(n);
  const mean = v.reduce((a, b) => a + b, 0) / n;
  const got = v.reduce((a, b) => a + (b - mean) ** 2, 0) / n;
  expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(variance / n));
  expect(Math.abs(got / variance - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
  expect(Math.max(...v.map(Math.abs))).toBeLessThanOrEqual(bound * (1 + 1e-6));
}

describe('initialisers', () => {
  test.each<[string, Initializer]>([
    ['zeros', zerosInit],
    ['ones', onesInit],
    ['a constant', constantInit(2)],
    ['the identity', identityInit],
  ])('%s is made where the key lives', (_, init) => {
    const device = createCpu({ name: 'another' });
    expect(init(key(1, { device }), [2, 2]).device === device).toBe(true);
  });

  test.each<[string, Initializer, variance: number, bound: number]>([
    ['uniformFan', uniformFan, 1 / 300, 0.1],
    ['xavierUniform', xavierUniform, 2 / 400, Math.sqrt(6 / 400)],
    [
      'xavierUniform, gain 2',
      (k, s, o) => xavierUniform(k, s, { ...o, gain: 2 }),
      8 / 400,
      2 * Math.sqrt(6 / 400),
    ],
    ['xavierNormal', xavierNormal, 2 / 400, Infinity],
    ['kaimingUniform', kaimingUniform, 2 / 100, Math.sqrt(6 / 100)],
    [
      'kaimingUniform of slope √5',
      (k, s, o) => kaimingUniform(k, s, { ...o, gain: gain('leakyRelu', Math.sqrt(5)) }),
      1 / 300,
      0.1,
    ],
    ['kaimingNormal', kaimingNormal, 2 / 100, Infinity],
    [
      'kaimingNormal, fanOut',
      (k, s, o) => kaimingNormal(k, s, { ...o, fan: 'fanOut', gain: 1 }),
      1 / 300,
      Infinity,
    ],
    ['lecunNormal', lecunNormal, 1 / 100, 2 / 10 / 0.8796256610342398],
    ['normalInit(0.02)', normalInit(0.02), 0.0004, Infinity],
    ['truncatedNormalInit(0.5)', truncatedNormalInit(0.5), 0.25 * 0.8796256610342398 ** 2, 1],
    ['uniformInit(-2, 2)', uniformInit(-2, 2), 16 / 12, 2],
  ])('%s has its variance and bounds', async (_name, init, variance, bound) => {
    await expectMoments(init(key(11), shape), variance, bound);
    await expectClose(init(key(3), [4, 5]), init(key(3), [4, 5]), 0);
    expect(init(key(3), [4, 5], { dtype: 'f64' }).dtype).toBe('f64');
  });

  test('uniform bounds are nearly reached', async () => {
    expect(Math.max(...(await numbers(uniformFan(key(1), shape))))).toBeGreaterThan(0.0999);
    expect(Math.max(...(await numbers(truncatedNormalInit(0.5)(key(1), shape))))).toBeGreaterThan(0.99);
  });

  test('constants', async () => {
    await expectClose(zerosInit(key(0), [2]), [0, 0], 0);
    await expectClose(onesInit(key(0), [2]), [1, 1], 0);
    await expectClose(constantInit(3)(key(0), [2]), [3, 3], 0);
    await expectClose(identityInit(key(0), [2, 2]), [1, 0, 0, 1], 0);
  });

  test('fans of [out, in, ...kernel]', () => {
    expect(fans([8, 4])).toEqual({ fanIn: 4, fanOut: 8 });
    expect(fans([8, 4, 3, 2])).toEqual({ fanIn: 24, fanOut: 48 });
    expect(() => fans([8])).toThrow(
      'fans: a weight [out, in, ...kernel] of at least two axes is needed, got [8]. For a bias pass { fanIn }.',
    );
    expect(() => uniformFan(key(0), [8])).toThrow('For a bias pass { fanIn }.');
  });

  test('gains are those of PyTorch', () => {
    expect(gain('linear')).toBe(1);
    expect(gain('tanh')).toBeCloseTo(1.6667, 4);
    expect(gain('relu') ** 2).toBeCloseTo(2, 12);
    expect(gain('leakyRelu', 0.2)).toBeCloseTo(1.3868, 4);
  });

  test.each([[[6, 6]], [[4, 9]], [[9, 4]], [[5, 2, 3]], [[64, 64]]])('orthogonal %j', async (s) => {
    const rows = s[0];
    const columns = s.slice(1).reduce((a, b) => a * b, 1);
    for (const [dtype, tolerance] of [
      ['f64', 1e-12],
      ['f32', 1e-5],
    ] as const) {
      const w = orthogonal(key(2), s, { dtype, gain: 3 });
      expect(w.shape).toEqual(s);
      const m = w.reshape([rows, columns]);
      const gram = rows <= columns ? matmul(m, m.transpose()) : matmul(m.transpose(), m);
      await expectClose(gram, eye(Math.min(rows, columns), { dtype }).mul(9), tolerance);
    }
  });

  test('orthogonal favours no direction: the mean over keys vanishes', async () => {
    const sum = new Float64Array(9);
    for (let seed = 0; seed < 200; seed++)
      (await numbers(orthogonal(key(seed), [3, 3]))).forEach((v, i) => (sum[i] += v / 200));
    expect(Math.max(...sum.map(Math.abs))).toBeLessThan(5 / Math.sqrt(3 * 200));
  });
});
