import type { Tensor } from '@seq/tensor';
import { apply1, linearRecurrence } from '@seq/tensor';
import { cumsumOp, linearRecurrenceOp } from '@seq/tensor/engine';
import { describe, test } from 'vitest';
import { floorTestDevice, random, same, sameGrad } from '../testkit.js';
import type { Input } from '../testkit.js';
import { variantOf } from '../testkit-variants.js';

const shared = [true, false];

describe('cumsum', () => {
  test('axes, directions, element types, lengths on both sides of a chunk', async () => {
    for (const n of [1, 2, 63, 65, 256, 257, 1009]) {
      for (const [axis, shape] of [
        [0, [n]],
        [1, [3, n]],
        [0, [n, 3]],
        [1, [2, n, 3]],
      ] as const) {
        for (const [reverse, exclusive] of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ]) {
          const way = variantOf(cumsumOp, 'columns', { software: n % 2 === 0 });
          const attrs = { axis, reverse, exclusive };
          await same((x) => apply1(way, [x], attrs), [{ shape, low: 0, high: 1 }]);
          if (n === 257)
            await same((x) => apply1(way, [x], attrs), [{ shape, dtype: 'i32', low: -1e9, high: 1e9 }]);
        }
      }
    }
    await same((x) => x.cumsum(0), [{ shape: [300, 5], dtype: 'u32', low: 0, high: 4e9 }]);
    await same((x) => x.cumsum(0), [{ shape: [0, 5] }]);
    await same((x) => x.cumsum(0).div(100_003), [{ shape: [100_003], low: 0.1, high: 0.1 }], {
      tolerance: 3e-7,
    });
  });

  test('gradients', async () => {
    await sameGrad((x) => x.cumsum(0), [{ shape: [9, 4] }]);
    await sameGrad((x) => x.cumsum(1, { reverse: true, exclusive: true }), [{ shape: [3, 300] }]);
  });
});

describe('linearRecurrence', () => {
  const inputs = (shape: number[], axis: number): Input[] => [
    { shape, low: -0.99, high: 0.99 },
    { shape, seed: 2 },
    { shape: shape.filter((_, i) => i !== axis), seed: 3 },
  ];

  test('axes, directions, with and without a state before', async () => {
    for (const T of [1, 2, 63, 256, 257, 1009]) {
      for (const [axis, shape] of [
        [1, [2, T, 3]],
        [1, [3, T]],
        [0, [T, 2, 2]],
      ] as const) {
        for (const reverse of [false, true]) {
          for (const software of shared) {
            const way = variantOf(linearRecurrenceOp, 'columns', { software });
            const [a, x, h] = inputs([...shape], axis);
            const attrs = { axis, reverse, shifted: false };
            await same((...xs) => apply1(way, xs, attrs), [a, x, h], { tolerance: 4e-6 });
            await same((...xs) => apply1(way, xs, { ...attrs, shifted: true }), [a, x], { tolerance: 4e-6 });
          }
        }
      }
    }
  });

  test('broadcast factors, views, nothing at all', async () => {
    const x: Input = { shape: [2, 300, 3], seed: 2 };
    for (const shape of [[], [3], [300, 1], [2, 1, 1]]) {
      await same((a, x) => linearRecurrence(a, x), [{ shape, low: 0.1, high: 0.9 }, x], { tolerance: 4e-6 });
    }
    const view = (t: Tensor): Tensor => t.transpose([2, 1, 0]).slice(1, 5, 290).flip(1);
    await same((a, x) => linearRecurrence(view(a), view(x)), [{ ...x, low: -0.9, high: 0.9, seed: 5 }, x], {
      tolerance: 4e-6,
    });
    await same((a, x) => linearRecurrence(a, x), [{ shape: [2, 0, 3] }, { shape: [2, 0, 3] }]);
  });

  test('factors whose product overflows while nothing is carried', async () => {
    const data = Array.from({ length: 400 }, (_, t) => Number(t === 399));
    await same(
      (a, x) => linearRecurrence(a, x),
      [
        { shape: [], data: [4] },
        { shape: [1, 400], data },
      ],
    );
  });

  test('random shapes', async () => {
    const next = random(4);
    for (let i = 0; i < 20; i++) {
      const shape = Array.from({ length: 1 + Math.floor(3 * next()) }, () => 1 + Math.floor(next() * 40));
      const axis = Math.floor(next() * shape.length);
      shape[axis] *= 1 + Math.floor(next() * 12);
      const reverse = next() < 0.5;
      await same((a, x, h) => linearRecurrence(a, x, { axis, reverse, initial: h }), inputs(shape, axis), {
        tolerance: 4e-6,
      });
      await same((x) => x.cumsum(axis, { reverse }), [{ shape, seed: i, low: 0 }]);
    }
  });

  test('on the weakest device', async () => {
    const device = await floorTestDevice();
    await same((a, x) => linearRecurrence(a, x), inputs([1, 700, 2], 1).slice(0, 2), {
      device,
      tolerance: 4e-6,
    });
  });
});
