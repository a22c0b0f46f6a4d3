import * as s from '@seq/tensor';
import { expect, test } from 'vitest';
import { random, same, sameGrad, testDevice } from '../testkit.js';

const indices = (shape: number[], n: number, seed = 9): { shape: number[]; dtype: 'i32'; data: number[] } => {
  const next = random(seed);
  return {
    shape,
    dtype: 'i32',
    data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.floor(n * next())),
  };
};

test('gather and scatterAdd along every axis, bit by bit as the CPU', async () => {
  for (const [shape, axis, I] of [
    [[10, 16], 0, [7]],
    [[3, 9, 5], 1, [11]],
    [[3, 4, 8], 2, [2, 3]],
    [[5, 4, 64], 1, [130]],
    [[600, 4], 0, [300]],
    [[7, 260], 0, [9]],
    [[3, 2], 0, [0]],
  ] as [number[], number, number[]][]) {
    const at = indices(I, shape[axis]);
    const updates = { shape: [...shape.slice(0, axis), ...I, ...shape.slice(axis + 1)], seed: 4 };
    await same((x, i) => s.gather(x, i, axis), [{ shape }, at], { tolerance: 0, exact: true });
    await same((x, i, u) => s.scatterAdd(x, i, u, axis), [{ shape }, at, updates], {
      tolerance: 0,
      exact: true,
    });
    await sameGrad((x, i) => s.gather(x, i, axis), [{ shape }, at]);
    await sameGrad((x, i, u) => s.scatterAdd(x, i, u, axis), [{ shape }, at, updates]);
  }
});

test('gradient of an embedding table', async () => {
  await sameGrad((x, i) => s.gather(x, i, 0), [{ shape: [512, 32] }, indices([8, 64], 512)]);
  await sameGrad((x, i) => s.gather(x, i, 0), [{ shape: [5000, 8] }, indices([1024], 5000)]);
});

test('takeAlong, oneHot and their gradients', async () => {
  for (const [shape, axis, I] of [
    [[4, 9], 1, 5],
    [[3, 7, 4], 1, 20],
    [[9, 600], 0, 20],
    [[2, 300], 1, 700],
  ] as [number[], number, number][]) {
    const at = indices(
      shape.map((d, i) => (i === axis ? I : d)),
      shape[axis],
    );
    await same((x, i) => s.takeAlong(x, i, axis), [{ shape }, at], { tolerance: 0, exact: true });
    await sameGrad((x, i) => s.takeAlong(x, i, axis), [{ shape }, at]);
  }
  for (const dtype of ['f32', 'i32', 'u32', 'bool'] as const)
    await same((i) => s.oneHot(i, 7, { dtype }), [indices([11], 7)], { exact: true });
});

test('windows at starts that are data', async () => {
  for (const [shape, axis, size, start] of [
    [[10, 4], 0, 3, [7]],
    [[2, 6, 3], 2, 2, [1]],
    [[3, 6, 4], 1, 2, [0, 4, 2]],
    [[3, 6, 4], 1, 6, [0]],
  ] as [number[], number, number, number[]][]) {
    const at = { shape: start.length === 1 ? [] : [start.length], dtype: 'i32' as const, data: start };
    const update = { shape: shape.map((d, i) => (i === axis ? size : d)), seed: 5 };
    await same((x, i) => s.sliceAt(x, i, size, axis), [{ shape }, at], { tolerance: 0, exact: true });
    await same((x, u, i) => s.updateAt(x, u, i, axis), [{ shape }, update, at], {
      tolerance: 0,
      exact: true,
    });
    await sameGrad(
      (x, u, i) => s.updateAt(x, u, i, axis).mul(s.updateAt(x, u, i, axis)),
      [{ shape }, update, at],
    );
  }
});

test('bad indices are named', async () => {
  const device = await testDevice();
  const x = s.ones([4, 3], { device });
  const at = s.tensor([0, 2, 4, -1], { device, dtype: 'i32' });
  await expect(s.gather(x, at).data()).rejects.toThrow(
    /gather: index must be in \[0, 3\].*element 2 of the indices/,
  );
  await expect(s.scatterAdd(x, at, s.ones([4, 3], { device })).data()).rejects.toThrow(
    /scatterAdd: index must be in \[0, 3\].*element 2/,
  );
  await expect(s.oneHot(at, 4).data()).rejects.toThrow(/oneHot: index must be in \[0, 3\].*element 2/);
  const start = s.tensor(3, { device, dtype: 'i32' });
  await expect(s.sliceAt(x, start, 2).data()).rejects.toThrow(
    /sliceAt: the window must lie inside axis 0 of size 4/,
  );
  await expect(s.updateAt(x, s.ones([2, 3], { device }), start).data()).rejects.toThrow(
    /updateAt: the window must lie inside/,
  );
});
