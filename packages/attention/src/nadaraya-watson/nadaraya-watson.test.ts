import { cpu, grad, matmul, sum, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { hostRandom, slopes, toHost, toTensor } from '@seq/testing';
import type { HostArray, HostFunction } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { attend, attention } from '../attention/index.js';
import { leaveOneOutBandwidth, leaveOneOutError, nadarayaWatson, smoothingScores } from './index.js';
import type { SmoothingKernel } from './index.js';
import { nadarayaWatsonNaive } from './naive.js';

const f32 = { device: cpu(), dtype: 'f32' } as const;
const f64 = { device: cpu(), dtype: 'f64' } as const;

/** Bandwidths at which some of the points below are seen and others are not. */
const kernels: readonly [SmoothingKernel, number][] = [
  ['nearest', 3],
  ['box', 1.4],
  ['triangular', 1.6],
  ['epanechnikov', 1.5],
  ['gaussian', 0.6],
];

const [B, T, S, D, V] = [2, 7, 11, 2, 3];

function draw(seed = 1): Record<'x' | 'points' | 'values', HostArray> {
  const random = hostRandom(seed);
  return {
    x: random.normal([B, T, D]),
    points: random.normal([B, S, D]),
    values: random.normal([B, S, V]),
  };
}

async function close(got: Tensor, want: ArrayLike<number>, tolerance: number): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(Math.abs(data[i] - want[i])).toBeLessThanOrEqual(tolerance);
}

describe.each(kernels)('smoothing by %s', (kernel, bandwidth) => {
  const host = draw();
  const naive = (mask?: ArrayLike<number>): Float64Array =>
    nadarayaWatsonNaive({
      x: host.x.data,
      points: host.points.data,
      values: host.values.data,
      ...{ kernel, bandwidth, B, T, S, D, V },
      ...(mask && { mask }),
    });

  test.each([
    ['f64', f64, 1e-13],
    ['f32', f32, 1e-6],
  ] as const)('is the definition in %s, with a mask and without', async (_, place, tolerance) => {
    const [x, points, values] = [host.x, host.points, host.values].map((h) => toTensor(h, place));
    await close(nadarayaWatson(x, points, values, { kernel, bandwidth }), naive(), tolerance);
    const kept = Array.from({ length: B * T * S }, (_, i) => (7 * i) % 5 > 1 || i % (2 * S) < 2);
    const mask = tensor(kept.map(Number), { shape: [B, T, S], ...f32 }).gt(0.5);
    await close(
      nadarayaWatson(x, points, values, { kernel, bandwidth, mask }),
      naive(kept.map(Number)),
      tolerance,
    );
  });

  test('has the gradients of its definition', async () => {
    const weights = hostRandom(3).normal([B, T, V]).data;
    const f: HostFunction = async ([x, points, values]) => {
      const o = nadarayaWatsonNaive({
        x: x.data,
        points: points.data,
        values: values.data,
        ...{ kernel, bandwidth, B, T, S, D, V },
      });
      return o.reduce((a, y, i) => a + weights[i] * y, 0);
    };
    const all = [host.x, host.points, host.values];
    const w = tensor(Float64Array.from(weights), { shape: [B, T, V], ...f64 });
    const grads = grad(
      ([x, p, v]) => sum(nadarayaWatson(x, p, v, { kernel, bandwidth }).mul(w)),
      all.map((h) => toTensor(h, f64)),
    );
    const found = await slopes(f, all, await Promise.all(grads.map(toHost)));
    expect(found.length).toBeGreaterThan(20);
    for (const { measured, claimed } of found) expect(Math.abs(measured - claimed)).toBeLessThan(1e-6);
  });

  test('foretells each point from the others', async () => {
    const [points, values] = [host.points, host.values].map((h) => toTensor(h, f64));
    const mask = Array.from({ length: B * S * S }, (_, i) => Number(i % S !== Math.floor(i / S) % S));
    const wide = kernel === 'nearest' ? bandwidth : 3 * bandwidth; // within which nobody is alone
    const f = nadarayaWatsonNaive({
      x: host.points.data,
      points: host.points.data,
      values: host.values.data,
      ...{ kernel, bandwidth: wide, mask, B, T: S, S, D, V },
    });
    const error = f.reduce((a, y, i) => a + (y - host.values.data[i]) ** 2, 0) / f.length;
    const got = await leaveOneOutError(points, values, { kernel, bandwidth: wide }).item();
    expect(Math.abs(got - error)).toBeLessThan(1e-12);
    const { bandwidth: best, errors } = await leaveOneOutBandwidth(points, values, [wide], { kernel });
    expect([best, errors]).toEqual([wide, [got]]);
  });
});

describe('weights are taken by their logarithms', () => {
  const column = (...numbers: number[]): Tensor => tensor(numbers, { shape: [numbers.length, 1], ...f32 });

  test('a Gaussian far from all points gives the value of the nearest', async () => {
    const f = nadarayaWatson(column(-1000, 1000), column(0, 1, 2), column(5, 6, 7), { bandwidth: 0.1 });
    expect(Array.from(await f.data())).toEqual([5, 7]);
  });

  test('a place that no point reaches gives 0, and no gradient', async () => {
    const options = { kernel: 'epanechnikov', bandwidth: 1 } as const;
    const f = (x: Tensor): Tensor => nadarayaWatson(x, column(0, 1), column(5, 6), options);
    expect(Array.from(await f(column(3, 2, -1, 0)).data())).toEqual([0, 0, 0, 5]);
    expect(Array.from(await grad((x: Tensor) => sum(f(x)), column(3, 2, -1, 0)).data())).toEqual([
      0, 0, 0, 0,
    ]);
    const scores = await smoothingScores(column(3, 0), column(0, 1), options).data();
    expect(Array.from(scores)).toEqual([-Infinity, -Infinity, 0, -Infinity]);
  });

  test('neighbours as near as the last one count as well', async () => {
    const f = nadarayaWatson(column(0), column(-1, 1, 1, 4), column(3, 6, 9, 100), {
      kernel: 'nearest',
      bandwidth: 1,
    });
    expect(await f.item()).toBeCloseTo(6, 6);
  });
});

describe('a bandwidth by leaving one out', () => {
  const random = hostRandom(5);
  const places = Float64Array.from({ length: 80 }, (_, i) => i / 10);
  const noise = random.normal([80, 1], { std: 0.3 }).data;
  const points = tensor(places, { shape: [80, 1], ...f64 });
  const values = tensor(
    places.map((x, i) => Math.sin(x) + noise[i]),
    { shape: [80, 1], ...f64 },
  );

  test('the chosen one foretells the function better than the smallest and the largest', async () => {
    const candidates = [0.03, 0.1, 0.2, 0.4, 0.8, 3];
    const { bandwidth, errors } = await leaveOneOutBandwidth(points, values, candidates);
    const missed = async (h: number): Promise<number> =>
      nadarayaWatson(points, points, values, { bandwidth: h }).sub(points.sin()).square().mean().item();
    expect(errors[candidates.indexOf(bandwidth)]).toBe(Math.min(...errors));
    expect(await missed(bandwidth)).toBeLessThan(0.6 * (await missed(0.03)));
    expect(await missed(bandwidth)).toBeLessThan(0.2 * (await missed(3)));
  });

  test('the error has a slope by the bandwidth', async () => {
    const error = (h: Tensor): Tensor => leaveOneOutError(points, values, { bandwidth: h });
    const at = (h: number): Tensor => tensor(h, f64);
    const measured = ((await error(at(0.3 + 1e-5)).item()) - (await error(at(0.3 - 1e-5)).item())) / 2e-5;
    expect(await grad(error, at(0.3)).item()).toBeCloseTo(measured, 6);
  });

  test('a bandwidth that leaves a point alone is none', async () => {
    const options = { kernel: 'box' } as const;
    expect(await leaveOneOutError(points, values, { ...options, bandwidth: 0.05 }).item()).toBe(Infinity);
    const { bandwidth, errors } = await leaveOneOutBandwidth(points, values, [0.05, 0.15], options);
    expect([bandwidth, errors[0]]).toEqual([0.15, Infinity]);
    await expect(leaveOneOutBandwidth(points, values, [0.05], options)).rejects.toThrow(
      /leaveOneOutBandwidth: some candidate must leave no point without neighbours, got \[0.05\]/,
    );
  });
});

describe('a softmax head is a kernel smoother', () => {
  const [H, D] = [3, 8];
  const random = hostRandom(9);
  const host = {
    q: random.normal([1, T, H, D]),
    k: random.normal([1, S, H, D]),
    v: random.normal([1, S, H, V]),
  };
  const heads = (x: Tensor): Tensor => x.transpose([0, 2, 1, 3]); // [1, H, T, D]
  const bandwidth = D ** 0.25; // h² = √D, the inverse of a head's scale

  test.each([
    ['f64', f64, 1e-13],
    ['f32', f32, 1e-6],
  ] as const)('of bandwidth D^¼ where keys have one length, in %s', async (_, place, tolerance) => {
    const [q, keys, v] = [host.q, host.k, host.v].map((h) => toTensor(h, place));
    const k = keys.div(keys.square().sum(-1, { keepDims: true }).sqrt()).mul(2);
    const head = heads(attend(q, k, v));
    const smooth = nadarayaWatson(heads(q), heads(k), heads(v), { bandwidth });
    await close(head.sub(smooth), new Float64Array(H * T * V), tolerance);
  });

  test('and where they have not, once their length is taken off', async () => {
    const [q, k, v] = [host.q, host.k, host.v].map((h) => toTensor(h, f64));
    const bias = heads(k)
      .square()
      .sum(-1)
      .div(-2 * bandwidth ** 2); // [1, H, S]
    const smooth = nadarayaWatson(heads(q), heads(k), heads(v), { bandwidth });
    const head = attend(q, k, v, { bias: bias.expandDims(2) });
    await close(heads(head).sub(smooth), new Float64Array(H * T * V), 1e-13);
    const favoursLong = heads(attend(q, k, v))
      .sub(smooth)
      .abs()
      .max();
    expect(await favoursLong.item()).toBeGreaterThan(0.01);
  });

  test('so is the mixer: smoothing of its own projections, over the past alone', async () => {
    const [C, T] = [4, 9];
    const mixer = attention({ dModel: C, numHeads: 1, rope: false, bias: false });
    // W_q = W_k = I, W_v = 2 I, W_out = I: inputs are places, points and values.
    const unit = tensor(
      Array.from({ length: C * C }, (_, i) => Number(i % (C + 1) === 0)),
      { shape: [C, C], ...f64 },
    );
    const params = {
      qkv: {
        weight: tensor([1, 1, 2], f64)
          .reshape([3, 1, 1])
          .mul(unit)
          .reshape([3 * C, C]),
      },
      out: { weight: unit },
    };
    const raw = toTensor(hostRandom(4).normal([1, T, C]), f64);
    const x = raw.div(raw.square().sum(-1, { keepDims: true }).sqrt());
    const past = Array.from({ length: T * T }, (_, i) => Number(i % T <= Math.floor(i / T)));
    const smooth = nadarayaWatson(x, x, x.mul(2), {
      bandwidth: C ** 0.25,
      mask: tensor(past, { shape: [T, T], ...f32 }).gt(0.5),
    });
    await close(mixer.forward(params, x).sub(smooth), new Float64Array(T * C), 1e-13);
    expect(await matmul(unit, unit).sub(unit).abs().max().item()).toBe(0);
  });
});

describe('what does not fit is refused', () => {
  const [x, points, values] = [
    [2, 4, 1],
    [2, 5, 1],
    [2, 5, 3],
  ].map((shape) => toTensor(hostRandom(1).normal(shape), f32));
  const cases: [string, () => unknown, RegExp][] = [
    [
      'widths',
      () => nadarayaWatson(points, values, values, { bandwidth: 1 }),
      /nadarayaWatson: places, points and values must be \[\.\.\., T, D\].*got \[2, 5, 1\], \[2, 5, 3\]/,
    ],
    [
      'values',
      () => nadarayaWatson(x, points, x, { bandwidth: 1 }),
      /got \[2, 4, 1\], \[2, 5, 1\] and \[2, 4, 1\]/,
    ],
    ['a vector', () => smoothingScores(tensor([1]), tensor([1]), { bandwidth: 1 }), /D = 1/],
    [
      'bandwidth',
      () => nadarayaWatson(x, points, values, { bandwidth: 0 }),
      /bandwidth must be positive and finite, got 0/,
    ],
    [
      'half a neighbour',
      () => nadarayaWatson(x, points, values, { kernel: 'nearest', bandwidth: 1.5 }),
      /their number, at most S = 5, got 1.5/,
    ],
    [
      'many neighbours',
      () => nadarayaWatson(x, points, values, { kernel: 'nearest', bandwidth: 6 }),
      /at most S = 5, got 6/,
    ],
    [
      'a mask',
      () => nadarayaWatson(x, points, values, { bandwidth: 1, mask: tensor([true, false]) }),
      /mask must be broadcastable to \[\.\.\., T, S\] = \[2, 4, 5\], got \[2\]/,
    ],
  ];
  test.each(cases)('%s', (_, f, message) => expect(f).toThrow(message));
});
