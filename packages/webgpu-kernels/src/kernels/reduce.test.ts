import type { Tensor } from '@seq/tensor';
import { apply1 } from '@seq/tensor';
import type { Op } from '@seq/tensor/engine';
import { argMaxOp, argMinOp, maxOp, minOp, prodOp, sumOp } from '@seq/tensor/engine';
import { describe, expect, test } from 'vitest';
import { floorTestDevice, random, same, sameGrad } from '../testkit.js';
import type { Input } from '../testkit.js';
import { variantNames, variantOf } from '../testkit-variants.js';

type Reduce = Op<{ readonly axes: readonly number[] }>;

/** The op by every variant, shared out as on a program and as on a GPU. */
function eachWay<A>(op: Op<A>): Op<A>[] {
  return variantNames(op as Op).flatMap((name) =>
    [true, false].map((software) => variantOf(op, name, { software })),
  );
}

/** Every way to reduce these axes gives the CPU's values, exactly for integers. */
async function reduces(
  op: Reduce,
  axes: number[],
  inputs: Input[],
  view = (x: Tensor): Tensor => x,
): Promise<void> {
  await same((x) => eachWay(op).map((way) => apply1(way, [view(x)], { axes })), inputs);
}

const sizes = [1, 2, 3, 5, 63, 64, 65, 127, 1000, 1009, 2048];

describe('reductions', () => {
  test.each(sizes)('sum rows and columns of %i', async (n) => {
    // Of one sign: the error of a sum is measured by the sum of the magnitudes.
    await reduces(sumOp, [1], [{ shape: [5, n], low: 0 }]);
    await reduces(sumOp, [0], [{ shape: [n, 5], low: 0 }]);
    await reduces(sumOp, [0], [{ shape: [n, 72], low: -2, high: 0 }]);
    await reduces(maxOp, [1], [{ shape: [5, n] }]);
  });

  test('sums of middle and outer axes', async () => {
    for (const axes of [[0], [1], [2], [3], [0, 2], [1, 3], [0, 1, 2, 3], [0, 3], [1, 2]]) {
      await reduces(sumOp, axes, [{ shape: [3, 4, 5, 8] }]);
    }
  });

  test('views: transposed, sliced at odd places, broadcast, reversed', async () => {
    const x: Input = { shape: [6, 7, 12] };
    const views: ((x: Tensor) => Tensor)[] = [
      (x) => x.transpose([2, 0, 1]),
      (x) => x.slice(2, 1, 12),
      (x) => x.slice(2, 4, 12),
      (x) => x.slice(0, 1, 6).slice(1, 3, 6),
      (x) => x.slice(2, 0, 12, 3),
      (x) => x.flip(1),
      (x) => x.flip(2),
      (x) => x.slice(1, 2, 3).broadcastTo([6, 5, 12]),
      (x) => x.expandDims(1).broadcastTo([6, 9, 7, 12]),
    ];
    for (const view of views) {
      for (const axes of [[0], [1], [2], [0, 2], [0, 1, 2]]) await reduces(sumOp, axes, [x], view);
      await reduces(minOp, [1, 2], [x], view);
    }
  });

  test('long rows in several workgroups, few and many results', async () => {
    await reduces(sumOp, [0], [{ shape: [300_007], low: 0, high: 1 }]);
    await reduces(sumOp, [1], [{ shape: [2, 100_000], low: 0 }]);
    await reduces(sumOp, [0], [{ shape: [40_000, 3], low: 0 }]);
    await reduces(sumOp, [0], [{ shape: [5000, 64], low: 0 }]);
    await reduces(maxOp, [0], [{ shape: [300_007] }]);
    await reduces(minOp, [0], [{ shape: [70_001, 3], dtype: 'i32', low: -1e6, high: 1e6 }]);
  });

  test('a sum of equal numbers is as good as one in double', async () => {
    const n = 1_000_003;
    for (const way of eachWay(sumOp)) {
      await same(
        (x) => apply1(way, [x.broadcastTo([n])], { axes: [0] }).div(n),
        [{ shape: [], data: [0.1] }],
        {
          tolerance: 3e-7,
        },
      );
    }
  });

  test('more results than workgroups along one dimension', async () => {
    const results = 64 * 65_536 + 5;
    const rows = variantOf(sumOp, 'elements', { software: true });
    await same((x) => apply1(rows, [x.broadcastTo([results, 2])], { axes: [1] }), [{ shape: [1, 2] }]);
  });

  test('products, and integers that wrap', async () => {
    await reduces(prodOp, [1], [{ shape: [7, 33], low: 0.8, high: 1.2 }]);
    await reduces(prodOp, [0], [{ shape: [5, 40], dtype: 'i32', low: -9, high: 9 }]);
    await reduces(sumOp, [1], [{ shape: [3, 64], dtype: 'i32', low: -1e9, high: 1e9 }]);
    await reduces(sumOp, [1], [{ shape: [3, 61], dtype: 'u32', low: 0, high: 4e9 }]);
    await reduces(maxOp, [1], [{ shape: [3, 61], dtype: 'u32', low: 0, high: 4e9 }]);
    await reduces(minOp, [0], [{ shape: [8, 61], dtype: 'u32', low: 0, high: 4e9 }]);
  });

  test('special values in largest and smallest', async () => {
    const [N, I] = [NaN, Infinity];
    const data = [
      1,
      N,
      2,
      3,
      -0,
      0,
      -0,
      -0,
      -I,
      -I,
      -I,
      -I,
      I,
      3,
      -I,
      7,
      -5,
      -3,
      -4,
      -9,
      1e-42,
      0,
      -1e-42,
      0,
    ];
    for (const op of [maxOp, minOp]) {
      await reduces(op, [1], [{ shape: [6, 4], data }]);
      await reduces(op, [0], [{ shape: [6, 4], data }]);
      for (const way of eachWay(op)) {
        // Which zero it is shows in the sign of its reciprocal.
        await same(
          (x) => apply1(way, [x], { axes: [1] }).reciprocal(),
          [{ shape: [1, 4], data: [-0, 0, -0, -0] }],
        );
      }
    }
  });

  test('flags: any and all', async () => {
    for (const op of [maxOp, minOp]) {
      for (const shape of [
        [3, 8],
        [5, 7],
        [1000, 4],
      ]) {
        await reduces(op, [1], [{ shape, dtype: 'bool' }]);
        await reduces(op, [0], [{ shape, dtype: 'bool', high: 3 }]);
        await reduces(op, [0, 1], [{ shape, dtype: 'bool', high: 2.001 }]);
      }
    }
  });

  test('empty axes: sums are 0, products 1', async () => {
    await reduces(sumOp, [0], [{ shape: [0, 3] }]);
    await reduces(prodOp, [1], [{ shape: [3, 0] }]);
    await reduces(sumOp, [1], [{ shape: [0, 3] }]);
    await reduces(sumOp, [0], [{ shape: [0] }]);
  });

  test('argMax and argMin take the first of equals, and NaN only in front', async () => {
    const [N, I] = [NaN, Infinity];
    const rows = [
      [3, 1, 3, 2],
      [N, 1, 2, 3],
      [1, N, 3, -2],
      [-I, N, -I, N],
      [I, N, I, 0],
      [-0, 0, -0, 0],
      [0, -0, 1e-42, -1e-42],
    ];
    for (const op of [argMaxOp, argMinOp]) {
      const f = (x: Tensor): Tensor[] => eachWay(op).map((way) => apply1(way, [x], null));
      await same(f, [{ shape: [rows.length, 4], data: rows.flat() }], { exact: true });
      for (const n of [1, 2, 63, 65, 1000, 5003]) await same(f, [{ shape: [3, n], dtype: 'i32', high: 20 }]);
      await same(f, [{ shape: [2, 70_001], high: 1e6 }]);
      await same(f, [{ shape: [2, 9], dtype: 'u32', low: 0, high: 4e9 }]);
      await same(f, [{ shape: [9, 5], dtype: 'bool' }]);
      await same(f, [{ shape: [0, 5] }]);
    }
  });

  test('gradients', async () => {
    const x: Input = { shape: [4, 6, 5] };
    await sameGrad((x) => x.sum([0, 2]), [x]);
    await sameGrad((x) => x.max(1), [x]);
    await sameGrad((x) => x.min(), [x]);
    await sameGrad((x) => x.prod(2), [x]);
    await sameGrad((x) => x.mean(0), [x]);
  });

  test('random shapes, axes and element types', async () => {
    const next = random(20);
    const upTo = (n: number): number => Math.floor(next() * n);
    for (let i = 0; i < 60; i++) {
      const rank = 1 + upTo(4);
      const shape = Array.from({ length: rank }, () => 1 + upTo(rank < 3 ? 90 : 13));
      const axes = [...shape.keys()].filter(() => next() < 0.5);
      const order = [...shape.keys()].sort(() => next() - 0.5);
      const op = [sumOp, maxOp, minOp][upTo(3)];
      const dtype = (['f32', 'f32', 'i32', 'u32'] as const)[upTo(4)];
      const ways = eachWay(op);
      const way = ways[upTo(ways.length)];
      await same(
        (x) => apply1(way, [x.transpose(order)], { axes }),
        [{ shape, dtype, seed: i, low: dtype === 'i32' ? -50 : 0, high: 50 }],
      );
    }
  });

  test('on the weakest device', async () => {
    const device = await floorTestDevice();
    expect(device).toBeDefined();
    await same((x) => x.sum(1), [{ shape: [3, 1000] }], { device });
    await same((x) => x.argMax(-1), [{ shape: [3, 1000] }], { device });
  });
});
