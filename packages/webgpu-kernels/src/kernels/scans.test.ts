import type { Tensor } from '@seq/tensor';
import { apply1, linearRecurrence } from '@seq/tensor';
import { cumsumOp, linearRecurrenceOp } from '@seq/tensor/engine';
import { describe, test } from 'vitest';
import { floorTestDevice, random, same, sameGrad } from '../testkit.js';
import type { Input } from '../testkit.js';
import {
  columns,
  compareInfinities,
  compareInPlace,
  compareLongSums,
  compareOverflow,
  compareRecurrences,
  compareSums,
  forms,
  lengths,
  places,
  recurrenceInputs as inputs,
  tiles,
} from './testkit/scans.js';

// Every combination, also of tiles, is in scans.slow.test.ts: adapters that are programs compile these for long.
const short = lengths.filter((n) => n < 4000);

describe('cumsum', () => {
  test('columns: lengths around vectors, tiles and chunks, directions, element types', async () => {
    for (const way of columns(cumsumOp)) {
      for (const n of lengths) await compareSums(way, places.rows(n), false);
      await compareSums(way, places.near(257), true);
      await compareSums(way, places.line(1025), true, { dtype: 'i32', low: -1e9, high: 1e9 });
      await compareLongSums(way);
      await compareInfinities(way);
    }
    await same((x) => x.cumsum(0), [{ shape: [0, 5] }]);
  });

  test('tiles: lengths around vectors and tiles', async () => {
    for (const n of short) await compareSums(tiles(cumsumOp), places.rows(n), false);
    await compareInfinities(tiles(cumsumOp));
  });

  test('unsigned numbers, gradients', async () => {
    await same((x) => x.cumsum(0), [{ shape: [300, 5], dtype: 'u32', low: 0, high: 4e9 }]);
    await sameGrad((x) => x.cumsum(0), [{ shape: [9, 4] }]);
    await sameGrad((x) => x.cumsum(1, { reverse: true, exclusive: true }), [{ shape: [3, 300] }]);
  });
});

describe('linearRecurrence', () => {
  test('columns: places, directions, with and without a state before', async () => {
    for (const way of columns(linearRecurrenceOp)) {
      for (const [i, n] of lengths.entries())
        await compareRecurrences(way, Object.values(places)[i % 3](n), forms[(i + (i >> 2)) % 3]);
      for (const form of forms) await compareRecurrences(way, places.near(4099), form);
    }
  });

  test('tiles: lengths around vectors and tiles', async () => {
    const way = tiles(linearRecurrenceOp);
    for (const n of short) await compareRecurrences(way, places.rows(n), 'initial');
    // The least that a device may have.
    await same((...xs) => apply1(way, xs, { axis: 1, reverse: false, shifted: false }), inputs([3, 700], 1), {
      device: await floorTestDevice(),
      tolerance: 4e-6,
    });
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

  test('factors whose product overflows while nothing is carried; the memory of what is added', async () => {
    for (const way of columns(linearRecurrenceOp)) {
      await compareOverflow(way);
      await compareInPlace(way, 5000);
    }
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
