import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { erf } from '../cpu/math.js';
import { expectClose, list } from '../testkit.js';

const N = 100_000;
/** Fails unless the mean of `values` is within 4 standard errors. */
function expectMean(values: number[], mean: number, std: number): void {
  const got = values.reduce((p, v) => p + v, 0) / values.length;
  expect(Math.abs(got - mean), `mean ${got}, want ${mean}`).toBeLessThan(
    (4 * std) / Math.sqrt(values.length),
  );
}

/** Pearson's statistic of counts against probabilities. */
function chiSquare(counts: number[], p: number[]): number {
  const n = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, c, i) => sum + (c - n * p[i]) ** 2 / (n * p[i]), 0);
}

/** Upper 0.1 % point of χ² with d degrees of freedom (Wilson and Hilferty's approximation). */
const limit = (d: number): number => d * (1 - 2 / (9 * d) + 3.09 * Math.sqrt(2 / (9 * d))) ** 3;

function histogram(values: number[], edges: number[]): number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  for (const v of values) counts[edges.findIndex((e, i) => v >= e && v < edges[i + 1])]++;
  return counts;
}

const normalCdf = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;

describe('threefry2x32', () => {
  // The known answers published with Random123.
  test.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ])('key %j counter %j', ([k0, k1], [c0, c1], want) => {
    const out = new Uint32Array(2);
    s.threefry2x32(k0, k1, c0, c1, out);
    expect([...out]).toEqual(want);
  });
});

describe('keys', () => {
  test('a seed is its two words; a tensor of 32 bits each', async () => {
    expect(await list(s.key(7))).toEqual([0, 7]);
    expect(await list(s.key(2 ** 40 + 3))).toEqual([256, 3]);
    expect(await list(s.key(-1))).toEqual([2 ** 32 - 1, 2 ** 32 - 1]);
    expect(() => s.key(0.5)).toThrow('key: the seed must be a safe integer, got 0.5.');
  });

  test('split and foldIn make different keys, the same ones each time', async () => {
    const made = [
      ...s.split(s.key(1), 50),
      ...Array.from({ length: 50 }, (_, i) => s.foldIn(s.key(1), i)),
      s.key(1),
    ];
    const text = await Promise.all(made.map(async (k) => (await list(k)).join()));
    expect(new Set(text).size).toBe(101);
    expect(await list(s.split(s.key(1), 3)[1])).toEqual(await list(s.split(s.key(1), 50)[1]));
    const step = s.tensor([5], { dtype: 'i32' }).at(0);
    expect(await list(s.foldIn(s.key(1), step))).toEqual(await list(s.foldIn(s.key(1), 5)));
    expect(await list(s.foldIn(s.key(1), s.tensor([-3], { dtype: 'i32' }).at(0)))).toEqual(
      await list(s.foldIn(s.key(1), -3)),
    );
  });

  test('a key is data: one plan serves all', async () => {
    const f = s.compile((k: s.Key) => s.uniform(k, [4]));
    const a = await list(f(s.key(1)));
    const b = await list(f(s.key(2)));
    expect(a).not.toEqual(b);
    expect(a).toEqual(await list(s.uniform(s.key(1), [4])));
    expect(b).toEqual(await list(s.uniform(s.key(2), [4])));
  });

  test('messages', () => {
    expect(() => s.uniform(s.zeros([2]), [1])).toThrow(
      'uniform: the key must be a u32 tensor [2], got f32 [2]. Make one with key(seed).',
    );
    expect(() => s.split(s.key(1), 0)).toThrow('split: n must be an integer ≥ 1, got 0.');
    expect(() => s.foldIn(s.key(1), 0.5)).toThrow('foldIn: data must be a 32-bit integer, got 0.5.');
    expect(() => s.normal(s.key(1), [-1])).toThrow('normal: sizes must be integers ≥ 0, got [-1].');
    expect(() => s.normal(s.key(1), [1], { dtype: 'i32' })).toThrow(
      'normal: the element type must be f32 or f64, got i32.',
    );
  });
});

describe('uniform', () => {
  test('flat, and neighbours independent', async () => {
    const v = await list(s.uniform(s.key(3), [N]));
    expectMean(v, 0.5, Math.sqrt(1 / 12));
    expectMean(
      v.map((x) => (x - 0.5) ** 2),
      1 / 12,
      Math.sqrt(1 / 180),
    );
    const cells = 50;
    const edges = Array.from({ length: cells + 1 }, (_, i) => i / cells);
    expect(chiSquare(histogram(v, edges), new Array<number>(cells).fill(1 / cells))).toBeLessThan(
      limit(cells - 1),
    );
    for (const lag of [1, 2, 3]) {
      const pairs = new Array<number>(100).fill(0);
      for (let i = 0; i + lag < N; i += lag + 1)
        pairs[10 * Math.floor(10 * v[i]) + Math.floor(10 * v[i + lag])]++;
      expect(chiSquare(pairs, new Array<number>(100).fill(0.01)), `lag ${lag}`).toBeLessThan(limit(99));
    }
  });

  test('24 bits from each word, in counter order, whatever the shape and type', async () => {
    const words = new Uint32Array(2);
    const want: number[] = [];
    for (let i = 0; i < 1500; i++) {
      s.threefry2x32(0, 3, i, 0, words);
      want.push(...[...words].map((w) => (w >>> 8) / 2 ** 24));
    }
    expect(await list(s.uniform(s.key(3), [3, 1000]))).toEqual(want);
    expect(await list(s.uniform(s.key(3), [2999]))).toEqual(want.slice(0, 2999));
    expect(await list(s.uniform(s.key(3), [7], { dtype: 'f64' }))).toEqual(want.slice(0, 7));
    expect(await list(s.uniform(s.key(3), [0]))).toEqual([]);
    expect(await list(s.uniform(s.key(3), []))).toEqual([want[0]]);
  });

  test('low is included, high never reached, even where rounding would reach it', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      for (const [low, high] of [
        [1, 2],
        [-2, -1],
        [-1, 0],
        [1e6, 1e6 + 0.5],
        [0, 1e-45],
        [3, 3 + 2e-16],
      ]) {
        const v = await list(s.uniform(s.key(5), [20_000], { low, high, dtype }));
        const top = dtype === 'f32' ? Math.fround(high) : high;
        expect(Math.min(...v)).toBeGreaterThanOrEqual(dtype === 'f32' ? Math.fround(low) : low);
        if (top > low) expect(Math.max(...v), `${low} … ${high} ${dtype}`).toBeLessThan(high);
      }
    }
    expect(await list(s.uniform(s.key(1), [3], { low: 2, high: 2 }))).toEqual([2, 2, 2]);
    expect(() => s.uniform(s.key(1), [1], { low: 1, high: 0 })).toThrow(
      'uniform: low and high must be finite and low ≤ high, got 1 and 0.',
    );
  });
});

describe('normal', () => {
  test('moments and shape', async () => {
    const v = await list(s.normal(s.key(4), [N]));
    expectMean(v, 0, 1);
    expectMean(
      v.map((x) => x * x),
      1,
      Math.SQRT2,
    );
    expectMean(
      v.map((x) => x ** 3),
      0,
      Math.sqrt(15),
    );
    expectMean(
      v.map((x) => x ** 4),
      3,
      Math.sqrt(96),
    );
    const edges = [-Infinity, ...Array.from({ length: 49 }, (_, i) => (i - 24) / 10), Infinity];
    const p = edges.slice(1).map((e, i) => normalCdf(e) - normalCdf(edges[i]));
    expect(chiSquare(histogram(v, edges), p)).toBeLessThan(limit(p.length - 1));
    expectMean(
      v.slice(1).map((x, i) => x * v[i]),
      0,
      1,
    );
    expect(Math.max(...v.map(Math.abs))).toBeLessThan(5.78);
  });

  test('mean, std, odd sizes; f64 draws the same numbers', async () => {
    const z = await list(s.normal(s.key(4), [5], { dtype: 'f64' }));
    expectClose(
      await list(s.normal(s.key(4), [5], { dtype: 'f64', mean: 3, std: 0.5 })),
      z.map((x) => 3 + x / 2),
      1e-15,
    );
    expectClose(await list(s.normal(s.key(4), [5])), z, 1e-6);
    expect(await list(s.normal(s.key(4), [4], { dtype: 'f64' }))).toEqual(z.slice(0, 4));
  });

  test('a million take little time', async () => {
    await s.normal(s.key(1), [1000]).realize();
    const t = performance.now();
    await s.normal(s.key(1), [1_000_000]).realize();
    // About 60 ms on an idle core; the limit leaves room for a busy machine.
    expect(performance.now() - t).toBeLessThan(1500);
  });
});

describe('truncatedNormal', () => {
  test.each([
    [-2, 2],
    [0.5, 3],
    [-6, -1],
    [3, 4],
  ])('between %f and %f', async (low, high) => {
    const v = await list(s.truncatedNormal(s.key(6), [N], { low, high, dtype: 'f64' }));
    expect(Math.min(...v)).toBeGreaterThanOrEqual(low);
    expect(Math.max(...v)).toBeLessThanOrEqual(high);
    const mass = normalCdf(high) - normalCdf(low);
    const cells = 40;
    const edges = Array.from({ length: cells + 1 }, (_, i) => low + ((high - low) * i) / cells);
    const p = edges.slice(1).map((e, i) => (normalCdf(e) - normalCdf(edges[i])) / mass);
    edges[cells] = Infinity;
    const counts = histogram(v, edges);
    // Cells with few expected counts are put together.
    const merged: [number, number][] = [];
    p.forEach((q, i) => {
      const last = merged[merged.length - 1];
      if (last !== undefined && last[1] * N < 20)
        merged[merged.length - 1] = [last[0] + counts[i], last[1] + q];
      else merged.push([counts[i], q]);
    });
    expect(
      chiSquare(
        merged.map((m) => m[0]),
        merged.map((m) => m[1]),
      ),
    ).toBeLessThan(limit(merged.length - 1));
  });

  test('scales and checks', async () => {
    const z = await list(s.truncatedNormal(s.key(6), [9], { dtype: 'f64' }));
    expectClose(
      await list(s.truncatedNormal(s.key(6), [9], { mean: 1, std: 2, dtype: 'f64' })),
      z.map((x) => 1 + 2 * x),
      1e-15,
    );
    expectClose(await list(s.truncatedNormal(s.key(6), [9])), z, 1e-6);
    expect(() => s.truncatedNormal(s.key(1), [1], { low: 1, high: 1 })).toThrow(
      'truncatedNormal: low must be below high, got 1 and 1.',
    );
  });
});

describe('choices', () => {
  test('bernoulli by a number and by a tensor', async () => {
    expectMean(await list(s.bernoulli(s.key(7), 0.3, [N])), 0.3, Math.sqrt(0.21));
    expect(new Set(await list(s.bernoulli(s.key(7), 1, [1000])))).toEqual(new Set([1]));
    expect(new Set(await list(s.bernoulli(s.key(7), 0, [1000])))).toEqual(new Set([0]));
    const p = s.tensor([0.1, 0.9]);
    const v = await list(s.bernoulli(s.key(8), p, [N, 2]));
    expectMean(
      v.filter((_, i) => i % 2 === 0),
      0.1,
      0.3,
    );
    expectMean(
      v.filter((_, i) => i % 2 === 1),
      0.9,
      0.3,
    );
    expect(() => s.bernoulli(s.key(1), 1.1, [1])).toThrow('bernoulli: p must be in [0, 1], got 1.1.');
  });

  test('categorical has the probabilities of softmax', async () => {
    const logits = [0, 1.5, -1, 0.3, -Infinity, 2];
    const rows = s.tensor(logits).broadcastTo([N, 6]);
    const v = await list(s.categorical(s.key(9), rows));
    const z = logits.reduce((sum, l) => sum + Math.exp(l), 0);
    const counts = logits.map((_, c) => v.filter((x) => x === c).length);
    expect(counts[4]).toBe(0);
    const kept = [0, 1, 2, 3, 5];
    expect(
      chiSquare(
        kept.map((c) => counts[c]),
        kept.map((c) => Math.exp(logits[c]) / z),
      ),
    ).toBeLessThan(limit(4));
  });

  test('categorical over many classes is flat, and a certain class always wins', async () => {
    const V = 1000;
    const v = await list(s.categorical(s.key(10), s.zeros([4000, V])));
    const counts = new Array<number>(20).fill(0);
    for (const c of v) counts[Math.floor(c / 50)]++;
    expect(chiSquare(counts, new Array<number>(20).fill(1 / 20))).toBeLessThan(limit(19));
    const one = s.full([1000, 50], -30).add(s.oneHot(s.tensor([17], { dtype: 'i32' }), 50).mul(60));
    expect(new Set(await list(s.categorical(s.key(11), one)))).toEqual(new Set([17]));
    expect(s.categorical(s.key(11), s.zeros([2, 3, 4])).shape).toEqual([2, 3]);
  });

  test('randomInt is flat over any range', async () => {
    const v = await list(s.randomInt(s.key(12), [N], { low: -3, high: 4 }));
    const counts = [-3, -2, -1, 0, 1, 2, 3].map((c) => v.filter((x) => x === c).length);
    expect(chiSquare(counts, new Array<number>(7).fill(1 / 7))).toBeLessThan(limit(6));
    // 3 · 2³⁰ values out of 2³² words: a plain multiplication would take every third one half as often.
    const wide = await list(s.randomInt(s.key(13), [N], { low: -(2 ** 31), high: 2 ** 30 }));
    const mod = [0, 1, 2].map((c) => wide.filter((x) => ((x % 3) + 3) % 3 === c).length);
    expect(chiSquare(mod, [1 / 3, 1 / 3, 1 / 3])).toBeLessThan(limit(2));
    const all = await list(s.randomInt(s.key(14), [N], { low: -(2 ** 31), high: 2 ** 31 }));
    expect(Math.min(...all)).toBeLessThan(-2147000000);
    expect(Math.max(...all)).toBeGreaterThan(2147000000);
    expectMean(all, -0.5, 2 ** 32 / Math.sqrt(12));
    expect(() => s.randomInt(s.key(1), [1], { high: 0 })).toThrow(
      'randomInt: low < high must be 32-bit integers, got 0 and 0.',
    );
  });

  test('randomInt agrees with exact arithmetic', async () => {
    const range = 4_000_000_007;
    const got = await list(
      s.randomInt(s.key(15), [500], { low: -2_000_000_000, high: range - 2_000_000_000 - 2 ** 31 + 2 ** 30 }),
    );
    const words = new Uint32Array(2);
    const span = BigInt(range - 2 ** 31 + 2 ** 30);
    for (let i = 0; i < 500; i++) {
      s.threefry2x32(0, 15, i, 0, words);
      const word = (BigInt(words[0]) << 32n) | BigInt(words[1]);
      expect(got[i]).toBe(Number((word * span) >> 64n) - 2_000_000_000);
    }
  });

  test('permutations: every number once, all six orders of three equally often', async () => {
    const big = await list(s.permutation(s.key(16), 5001));
    expect([...big].sort((a, b) => a - b)).toEqual(Array.from({ length: 5001 }, (_, i) => i));
    expect(await list(s.permutation(s.key(16), 0))).toEqual([]);
    const counts = new Map<string, number>();
    for (const k of s.split(s.key(17), 6000)) {
      const order = (await list(s.permutation(k, 3))).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect(chiSquare([...counts.values()], new Array<number>(6).fill(1 / 6))).toBeLessThan(limit(5));
  });
});
