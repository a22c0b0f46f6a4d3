import type { Tensor } from '@seq/tensor';
import * as s from '@seq/tensor';
import { expect, test } from 'vitest';
import { random, same, sameGrad } from '../testkit.js';

const key = (a: number, b: number): { shape: number[]; dtype: 'u32'; data: number[] } => ({
  shape: [2],
  dtype: 'u32',
  data: [a, b],
});
const keys = [key(1, 2), key(0xdeadbeef, 0x80000001)];
const bits = { tolerance: 0, exact: true };

test('keys, whole numbers, permutations and uniform numbers have the bits of the CPU', async () => {
  for (const k of keys) {
    await same((x) => s.split(x, 5), [k], bits);
    for (const data of [0, 7, 0xffffffff]) await same((x) => s.foldIn(x, data), [k], bits);
    for (const n of [0, 1, 2, 63, 1001]) {
      for (const [low, high] of [
        [0, 1],
        [0, 4],
        [-1, 1],
        [-0.1, 0.1],
        [0, 0.37],
        [-3e-5, 1e6],
        [-5, -2],
        [1, 1],
      ]) {
        await same((x) => s.uniform(x, [n], { low, high }), [k], bits);
      }
      for (const [low, high] of [
        [0, 10],
        [-5, 2],
        [-(2 ** 31), 2 ** 31],
        [-100, 2e9],
      ]) {
        await same((x) => s.randomInt(x, [n], { low, high }), [k], bits);
      }
      await same((x) => s.permutation(x, n), [k], bits);
    }
    for (const n of [512, 513, 1025, 5000]) await same((x) => s.permutation(x, n), [k], bits);
  }
});

test('normal, truncated normal and Gumbel numbers to the precision of f32', async () => {
  for (const k of keys) {
    for (const n of [1, 2, 1001]) {
      await same((x) => s.normal(x, [n], { mean: 0.5, std: 2 }), [k], { tolerance: 2e-6, exact: true });
      for (const [low, high] of [
        [-2, 2],
        [-10, 10],
        [1, 3],
        [-Infinity, 0],
        [3, 5],
      ]) {
        await same((x) => s.truncatedNormal(x, [n], { low, high }), [k], { tolerance: 2e-6, exact: true });
      }
    }
    await same((x) => s.bernoulli(x, 0.3, [500]), [k], bits);
    await same((x, l) => s.categorical(x, l), [k, { shape: [40, 50] }], { exact: true });
  }
});

test('topK and argsort of awkward rows: order, equals, NaN', async () => {
  const next = random(3);
  const odd = [NaN, Infinity, -Infinity, 0, -0, 1, -1];
  for (const [rows, n] of [
    [1, 1],
    [3, 7],
    [2, 513],
    [3, 1500],
  ]) {
    const data = Array.from({ length: rows * n }, (_, i) =>
      i % 5 === 0 ? odd[(i / 5) % 7] : Math.round(40 * next()),
    );
    for (const k of [0, 1, 3, 50, n].filter((v) => v <= n)) {
      for (const largest of [true, false]) {
        await same((x) => s.topK(x, k, { largest }), [{ shape: [rows, n], data }], bits);
        await same(
          (x) => s.topK(x, k, { largest }),
          [{ shape: [rows, n], dtype: 'i32', low: -9, high: 9 }],
          bits,
        );
      }
    }
  }
  await same((x: Tensor) => s.argsort(x, 0), [{ shape: [70, 3] }], bits);
  await same((x: Tensor) => s.topK(x, 50), [{ shape: [2, 20000] }], bits);
  await sameGrad((x) => s.topK(x, 5)[0], [{ shape: [3, 40] }]);
  expect.hasAssertions();
});
