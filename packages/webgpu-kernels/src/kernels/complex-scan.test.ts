import { apply, complexRecurrence } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { complexRecurrenceOp } from '@seq/tensor/engine';
import { test } from 'vitest';
import { floorTestDevice, same, sameGrad } from '../testkit.js';
import { columns, compareComplex, complexInputs, forms, joined } from './testkit/scans.js';

test('complex recurrences: directions, repeated factors, states, lengths on both sides of a chunk', async () => {
  for (const way of columns(complexRecurrenceOp)) {
    for (const T of [1, 256, 300])
      for (const form of forms)
        for (const repeated of [false, true]) await compareComplex(way, T, form, repeated);
  }
});

test('complex recurrences: gradients, the floor, nothing at all', async () => {
  const run = (ar: Tensor, ai: Tensor, xr: Tensor, xi: Tensor, hr: Tensor, hi: Tensor): Tensor =>
    joined(
      Object.values(
        complexRecurrence({ re: ar, im: ai }, { re: xr, im: xi }, { initial: { re: hr, im: hi } }),
      ),
    );
  await sameGrad(run, complexInputs([2, 290, 3], [3], 'initial'), { tolerance: 1e-5 });
  const device = await floorTestDevice();
  const inputs = complexInputs([2, 290, 3], [1, 1, 3], 'initial');
  // Tiles: scans.slow.test.ts, and what verify runs.
  for (const way of columns(complexRecurrenceOp)) {
    const one = (...xs: Tensor[]): Tensor => joined(apply(way, xs, { reverse: false, shifted: false }));
    await same(one, inputs, { device, tolerance: 4e-6 });
  }
  await same(run, complexInputs([2, 0, 3], [3], 'initial'));
});
