import type { Tensor } from '@seq/tensor';
import { apply1 } from '@seq/tensor';
import type { Op } from '@seq/tensor/engine';
import { logSoftmaxOp, logSumExpOp, softmaxGradOp, softmaxOp } from '@seq/tensor/engine';
import { describe, test } from 'vitest';
import { floorTestDevice, same, sameGrad } from '../testkit.js';
import type { Input } from '../testkit.js';
import { variantNames, variantOf } from '../testkit-variants.js';

const ops: [name: string, op: Op<null>][] = [
  ['softmax', softmaxOp],
  ['logSoftmax', logSoftmaxOp],
  ['logSumExp', logSumExpOp],
  ['softmaxGrad', softmaxGradOp],
];

/** By every variant, shared out as on a program and as on a GPU. */
async function everyWay(
  op: Op<null>,
  x: Input,
  view = (x: Tensor): Tensor => x,
  exact = false,
): Promise<void> {
  const inputs = op === (softmaxGradOp as Op) ? [x, { ...x, seed: 9 }] : [x];
  const ways = variantNames(op as Op).flatMap((name) =>
    [true, false].map((software) => variantOf(op, name, { software })),
  );
  // Side by side, so that all compile at once.
  await same((...xs) => ways.map((way) => apply1(way, xs.map(view), null)), inputs, {
    tolerance: 4e-6,
    exact,
  });
}

describe.each(ops)('%s', (name, op) => {
  test('rows of any length', async () => {
    for (const n of [1, 2, 3, 4, 63, 64, 65, 127, 128, 1000, 1009])
      await everyWay(op, { shape: [3, n], high: 9 });
  });

  test('rows beyond the registers, and by several workgroups', async () => {
    await everyWay(op, { shape: [2, 4100], high: 9 });
    await everyWay(op, { shape: [1, 70_001], high: 4 });
    await everyWay(op, { shape: [1, 70_004], high: 4 });
  });

  test('many rows, higher ranks, odd places', async () => {
    await everyWay(op, { shape: [2, 3, 5, 12] });
    await everyWay(op, { shape: [9, 24] }, (x) => x.slice(0, 1, 9).slice(1, 3, 20));
    await everyWay(op, { shape: [9, 7] }, (x) => x.slice(0, 2, 7));
    await same(
      (x) =>
        apply1(variantOf(op, 'fours', { software: true }), op === (softmaxGradOp as Op) ? [x, x] : [x], null),
      [{ shape: [300_001, 4] }],
    );
  });

  test('nothing at all', async () => {
    for (const shape of [
      [0, 3],
      [3, 0],
    ])
      await everyWay(op, { shape });
  });

  if (name !== 'softmaxGrad') {
    test('special values', async () => {
      // Differences that overflow f32 do not overflow the reference in f64.
      const inF32 = name === 'logSoftmax';
      const [N, I] = [NaN, Infinity];
      const rows = [
        [1, -I, 2, -I],
        [-I, -I, -I, -I],
        [1, N, 2, 3],
        [-I, N, -I, -I],
        [I, 1, 2, 3],
        [I, -I, I, N],
        [3e38, -3e38, 3.4e38, 0],
        [-3.4028234663852886e38, -I, -3.4028234663852886e38, -I],
        [1e4, 1e4, -1e4, 9999],
        [-0, 0, 1e-42, -1e-42],
      ];
      await everyWay(op, { shape: [10, 4], data: rows.flat() }, undefined, inF32);
      await everyWay(
        op,
        { shape: [10, 12], data: rows.flatMap((r) => [...r, ...r, ...r]) },
        undefined,
        inF32,
      );
      for (const row of rows) {
        const long = Array.from({ length: 5001 }, (_, i) => (i < 4990 ? row[3] : row[i % 4]));
        await everyWay(op, { shape: [1, 5001], data: long }, undefined, inF32);
      }
    });
  }
});

test('gradients, and gradients of gradients', async () => {
  for (const n of [1, 5, 64, 130]) {
    await sameGrad((x) => x.softmax(), [{ shape: [4, n] }]);
    await sameGrad((x) => x.logSoftmax(0), [{ shape: [n, 4] }]);
    await sameGrad((x) => x.logSumExp(), [{ shape: [4, n] }]);
    await sameGrad(
      (y, g) => apply1(softmaxGradOp, [y, g], null),
      [{ shape: [4, n] }, { shape: [4, n], seed: 5 }],
    );
  }
});

test('on the weakest device', async () => {
  const device = await floorTestDevice();
  for (const [, op] of ops.slice(0, 3)) {
    const way = variantOf(op, 'elements', { software: false });
    await same((x) => apply1(way, [x], null), [{ shape: [3, 4500] }], { device });
  }
});
