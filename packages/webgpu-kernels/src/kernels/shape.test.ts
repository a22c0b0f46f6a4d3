import type { Tensor } from '@seq/tensor';
import * as s from '@seq/tensor';
import { apply } from '@seq/tensor';
import { copyOp } from '@seq/tensor/engine';
import { expect, test } from 'vitest';
import { variantOf } from '../testkit-variants.js';
import { same, sameGrad, testDevice } from '../testkit.js';

const shape = (...d: number[]): { shape: number[] } => ({ shape: d });

test('copies of transposed, reversed, stepped and repeated views', async () => {
  const views: ((x: Tensor) => Tensor)[] = [
    (x) => x.transpose([1, 0, 2]),
    (x) => x.transpose([2, 1, 0]),
    (x) => x.transpose([0, 2, 1]),
    (x) => x.flip(2),
    (x) => x.slice(1, 1, 9, 3),
    (x) => x.expandDims(1).broadcastTo([x.shape[0], 3, x.shape[1], x.shape[2]]),
    (x) => x.slice(2, 1).reshape([-1]),
  ];
  for (const f of views) {
    for (const x of [shape(3, 33, 70), shape(4, 12, 16), shape(1, 9, 2), shape(2, 0, 3)])
      await same((t) => f(t).contiguous(), [x], { tolerance: 0, exact: true });
    await sameGrad((t) => f(t).contiguous(), [shape(2, 9, 5)]);
  }
});

test('transposition through workgroup memory', async () => {
  const device = await testDevice();
  const tiled = variantOf(copyOp, 'tile', { software: false });
  for (const [a, b, c] of [
    [1, 64, 64],
    [3, 33, 70],
    [2, 17, 100],
  ] as const) {
    const x = s
      .tensor(
        Float32Array.from({ length: a * b * c }, (_, i) => i),
        { device },
      )
      .reshape([a, b, c]);
    const y = apply(tiled, [x.transpose()], null) as Tensor;
    const got = await y.data();
    for (let i = 0; i < got.length; i++) {
      const [p, q, r] = [Math.floor(i / (b * c)), Math.floor(i / b) % c, i % b];
      expect(got[i]).toBe((p * b + r) * c + q);
    }
  }
});

test('concat, stack, pad, unslice, triangles', async () => {
  for (const axis of [0, 1, 2]) {
    const of = (d: number, seed: number): { shape: number[]; seed: number } => ({
      shape: [4, 3, 8].map((v, i) => (i === axis ? d : v)),
      seed,
    });
    await same((...xs) => s.concat(xs, axis), [of(3, 1), of(5, 2), of(0, 3), of(1, 4)], {
      tolerance: 0,
      exact: true,
    });
    await same((x) => x.pad(axis, 2, 1, -1.5), [of(5, 1)], { tolerance: 0, exact: true });
    await sameGrad((x, y) => s.concat([x, y], axis), [of(3, 1), of(5, 2)]);
    await sameGrad((x) => x.pad(axis, 2, 1), [of(5, 1)]);
    for (const [start, stop, step] of [
      [1, 6, 1],
      [0, 7, 2],
      [6, -8, -2],
    ] as const) {
      await sameGrad((x) => x.slice(axis, start, stop, step), [of(7, 1)]);
    }
  }
  await same(
    (...xs) => s.stack(xs, 1),
    Array.from({ length: 20 }, (_, seed) => ({ shape: [3, 5], seed })),
    { tolerance: 0, exact: true },
  );
  for (const k of [-2, 0, 1, 9]) {
    await same((x) => [x.tril(k), x.triu(k)], [shape(3, 5, 7)], { tolerance: 0, exact: true });
    await sameGrad((x) => x.tril(k), [shape(6, 6)]);
  }
  await same((x) => [x.contiguous(), x.pad(0, 1, 1)], [{ shape: [7], dtype: 'bool' }]);
});
