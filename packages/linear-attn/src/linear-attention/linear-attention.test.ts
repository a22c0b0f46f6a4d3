import { cpu, exp, key, matmul, mul, normal, SeqError, softmax, sum, swapAxes } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { simpleGlaScan } from '../simple-gla/index.js';
import {
  eluPlusOne,
  expFeatures,
  favorKeys,
  favorQueries,
  fourierFeatures,
  linearAttend,
  linearAttendAll,
  linearAttention,
  orthogonalDraw,
  polynomialFeatures,
  reluFeatures,
  taylorFeatures,
} from './index.js';
import { linearAttentionNaive } from './naive.js';

const f64 = { device: cpu(), dtype: 'f64' } as const;
const [H, M, V] = [2, 3, 4];

conformance(linearAttention, {
  small: { dModel: 4, numHeads: 2, keyDim: 3, valueDim: 2, chunkSize: 4, convWidth: 3 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.uniform([B, T, H, M], { low: 0.1 }),
      k: random.uniform([B, T, H, M], { low: 0.1 }),
      v: random.normal([B, T, H, V]),
    }),
    op({ q, k, v }) {
      const [o, joined] = linearAttend(q, k, v, { chunkSize: 4 });
      return { o, state: joined.slice(3, 0, V), z: joined.at(V, 3) };
    },
    naive({ q, k, v }) {
      const [B, T] = q.shape;
      return linearAttentionNaive({ q: q.data, k: k.data, v: v.data }, { B, T, H, M, V });
    },
  },
});

for (const [featureMap, extra] of [
  ['taylor', { normalize: false, normEps: 0.1 }],
  ['favor', { numFeatures: 4 }],
] as const)
  conformance(linearAttention, {
    name: `linear-attention, ${featureMap}`,
    small: { dModel: 4, keyDim: 2, valueDim: 2, chunkSize: 4, convWidth: 2, featureMap, ...extra },
    learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16, featureMap },
  });

/** Inner products of features against a kernel: the largest difference. */
async function worst(got: Tensor, want: Tensor): Promise<number> {
  return got.sub(want).abs().max().item();
}

describe('feature maps', () => {
  const random = hostRandom(3);
  const [x, y] = [1, 2].map(() => toTensor(random.normal([30, 5], { std: 0.5 }), f64));
  const dot = matmul(x, swapAxes(y, 0, 1));
  const products = (f: (t: Tensor) => Tensor, g = f): Tensor => matmul(f(x), swapAxes(g(y), 0, 1));

  test('polynomial features are exact, and as few as there are monomials', async () => {
    for (const [degree, offset, count] of [
      [1, 1, 6],
      [2, 1, 21],
      [3, 0.5, 56],
      [2, 0, 15],
    ]) {
      const phi = (t: Tensor): Tensor => polynomialFeatures(t, { degree, offset });
      expect(phi(x).shape).toEqual([30, count]);
      let want = dot.add(offset);
      for (let d = 1; d < degree; d++) want = want.mul(dot.add(offset));
      expect(await worst(products(phi), want)).toBeLessThan(1e-12);
    }
  });

  test('Taylor features approach e^{x·y} as the series does', async () => {
    const largest = await dot.abs().max().item();
    let factorial = 1;
    for (let order = 0; order <= 5; order++) {
      factorial *= order + 1;
      const error = await worst(
        products((t) => taylorFeatures(t, { order })),
        exp(dot),
      );
      expect(error).toBeLessThan((largest ** (order + 1) * Math.exp(largest)) / factorial);
      if (order > 0) expect(error).toBeGreaterThan(0);
    }
  });

  /** Root of the mean square error of an estimate with M features, over draws. */
  const spread = async (
    f: (t: Tensor, w: Tensor) => Tensor,
    want: Tensor,
    draw: (seed: number, M: number) => Tensor,
  ): Promise<number[]> =>
    Promise.all(
      [16, 64, 256].map(async (count) => {
        const errors = Array.from({ length: 20 }, (_, seed) =>
          products(
            (t) => f(t, draw(seed, count)),
            (t) => f(t, draw(seed, count)),
          )
            .sub(want)
            .square()
            .mean(),
        );
        return Math.sqrt(
          await errors
            .reduce((a, b) => a.add(b))
            .div(20)
            .item(),
        );
      }),
    );
  const gaussian = (seed: number, count: number): Tensor => normal(key(seed), [count, 5], f64);

  test('random Fourier features estimate the Gaussian kernel, with an error of 1/√M', async () => {
    const squares = (t: Tensor): Tensor => sum(mul(t, t), 1, { keepDims: true });
    const want = exp(dot.sub(squares(x).mul(0.5)).sub(swapAxes(squares(y), 0, 1).mul(0.5)));
    const errors = await spread(fourierFeatures, want, gaussian);
    for (const i of [0, 1]) expect(errors[i] / errors[i + 1]).toBeCloseTo(2, 0);
    expect(errors[2]).toBeLessThan(0.05);
  });

  test('positive features estimate softmax attention, orthogonal draws better than independent ones', async () => {
    const [q, k] = [x, y].map((t) => t.reshape([1, 30, 1, 5]));
    const v = toTensor(random.normal([1, 30, 1, 3]), f64);
    const want = matmul(softmax(dot, 1), v.reshape([30, 3])).reshape([1, 30, 1, 3]);
    const error = async (draw: (seed: number, count: number) => Tensor, count: number): Promise<number> => {
      const errors = Array.from({ length: 12 }, (_, seed) => {
        const w = draw(seed, count);
        return linearAttendAll(favorQueries(q, w), favorKeys(k, w), v, { eps: 0 }).sub(want).square().mean();
      });
      return Math.sqrt(
        await errors
          .reduce((a, b) => a.add(b))
          .div(12)
          .item(),
      );
    };
    const orthogonal = (seed: number, count: number): Tensor => orthogonalDraw(key(seed), count, 5, f64);
    const few = await error(gaussian, 16);
    const many = await error(gaussian, 256);
    expect(few / many).toBeGreaterThan(3);
    expect(few / many).toBeLessThan(6);
    expect(await error(orthogonal, 16)).toBeLessThan(few);
  });

  test('positive features neither overflow nor see the future', async () => {
    const w = orthogonalDraw(key(1), 8, 4, f64);
    const far = toTensor(random.normal([1, 6, 1, 4], { std: 60 }), f64);
    for (const f of [favorQueries, favorKeys]) {
      const values = [...(await f(far, w).data())];
      expect(values.every((p) => p >= 0 && p <= 1)).toBe(true);
      const early = [...(await f(far.slice(1, 0, 3), w).data())];
      expect(values.slice(0, early.length)).toEqual(early);
    }
  });

  test('the elementwise maps are what their names say', async () => {
    const t = toTensor({ data: Float64Array.of(-2, 0, 3), shape: [3] }, f64);
    expect([...(await eluPlusOne(t).data())]).toEqual([expect.closeTo(Math.exp(-2), 12), 1, 4]);
    expect([...(await reluFeatures(t).data())]).toEqual([0, 0, 3]);
    expect((await expFeatures(t).data())[2]).toBeCloseTo(Math.exp(3), 12);
  });
});

describe('linearAttend', () => {
  const random = hostRandom(4);
  const [q, k] = [1, 2].map(() => toTensor(random.uniform([2, 7, H, M]), f64));
  const v = toTensor(random.normal([2, 7, H, V]), f64);

  test('is simple GLA with gates of 1', async () => {
    const [o, state] = linearAttend(q, k, v, { normalize: false });
    const [same, sameState] = simpleGlaScan(q, k, v, v.sum(-1).mul(0), { scale: 1 });
    expect((await toHost(o)).data).toEqual((await toHost(same)).data);
    expect((await toHost(state)).data).toEqual((await toHost(sameState)).data);
  });

  test('values of one give one, and the last position is what all see', async () => {
    const [o] = linearAttend(q, k, v.mul(0).add(1), { eps: 0 });
    expect(await o.sub(1).abs().max().item()).toBeLessThan(1e-14);
    const all = linearAttendAll(q, k, v);
    const [causal] = linearAttend(q, k, v);
    expect(await worst(causal.at(6, 1), all.at(6, 1))).toBeLessThan(1e-13);
  });

  test('masked keys count for nothing; a row without keys gives 0', async () => {
    const flags = Float64Array.from({ length: 14 }, (_, i) => (i < 4 ? 1 : 0));
    const mask = toTensor({ data: flags, shape: [2, 7], dtype: 'bool' }, f64);
    const o = linearAttendAll(q, k, v, { mask });
    const few = linearAttendAll(
      q.at(0, 0).expandDims(0),
      k.at(0, 0).expandDims(0).slice(1, 0, 4),
      v.at(0, 0).expandDims(0).slice(1, 0, 4),
    );
    expect(await worst(o.at(0, 0), few.at(0, 0))).toBeLessThan(1e-14);
    expect([...(await o.at(1, 0).data())].every((p) => p === 0)).toBe(true);
  });

  test('options and shapes are checked', () => {
    expect(() => linearAttendAll(q, k, v.slice(1, 1))).toThrow(
      'linearAttendAll: v must be [B, S, H, V] = [2, 7, 2, 4], got [2, 6, 2, 4].',
    );
    expect(() => linearAttention({ dModel: 8, numFeatures: 4 })).toThrow(
      "numFeatures must be a positive integer and is for 'favor' alone",
    );
    try {
      linearAttention({ dModel: 8, numHeads: 3 });
    } catch (error) {
      expect(SeqError.is(error, 'option')).toBe(true);
    }
  });
});
