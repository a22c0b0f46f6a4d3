import { apply, complexRecurrence, concat } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { complexRecurrenceOp } from '@seq/tensor/engine';
import { test } from 'vitest';
import { floorTestDevice, same, sameGrad } from '../testkit.js';
import type { Input } from '../testkit.js';
import { variantOf } from '../testkit-variants.js';

const joined = (parts: Tensor | readonly Tensor[]): Tensor => concat(parts as Tensor[], 0);

function inputs(x: number[], a: number[], initial: boolean): Input[] {
  const factor = { shape: a, low: -0.7, high: 0.7 };
  const h = { shape: [x[0], x[2]] };
  return [
    { ...factor, seed: 1 },
    { ...factor, seed: 2 },
    { shape: x, seed: 3 },
    { shape: x, seed: 4 },
    ...(initial
      ? [
          { ...h, seed: 5 },
          { ...h, seed: 6 },
        ]
      : []),
  ];
}

test('complex recurrences: directions, repeated factors, states, lengths on both sides of a chunk', async () => {
  for (const T of [1, 256, 300]) {
    for (const a of [
      [2, T, 3],
      [1, 1, 3],
    ]) {
      for (const reverse of [false, true]) {
        const way = variantOf(complexRecurrenceOp, 'columns', { software: reverse });
        const attrs = { reverse, shifted: false };
        await same((...xs) => joined(apply(way, xs, attrs)), inputs([2, T, 3], a, true), { tolerance: 4e-6 });
        await same(
          (...xs) => joined(apply(way, xs, { reverse, shifted: true })),
          inputs([2, T, 3], a, false),
          {
            tolerance: 4e-6,
          },
        );
      }
    }
  }
});

test('complex recurrences: gradients, the floor, nothing at all', async () => {
  const run = (ar: Tensor, ai: Tensor, xr: Tensor, xi: Tensor, hr: Tensor, hi: Tensor): Tensor =>
    joined(
      Object.values(
        complexRecurrence({ re: ar, im: ai }, { re: xr, im: xi }, { initial: { re: hr, im: hi } }),
      ),
    );
  await sameGrad(run, inputs([2, 290, 3], [3], true), { tolerance: 1e-5 });
  await same(run, inputs([2, 290, 3], [3], true), {
    device: await floorTestDevice(),
    tolerance: 4e-6,
  });
  await same(run, inputs([2, 0, 3], [3], true));
});
