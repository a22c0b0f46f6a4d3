import { complexRecurrenceOp, cumsumOp, linearRecurrenceOp } from '@seq/tensor/engine';
import { expect, test } from 'vitest';
import {
  columns,
  compareComplex,
  compareInfinities,
  compareInPlace,
  compareLongSums,
  compareOverflow,
  compareRecurrences,
  compareSums,
  forms,
  lengths,
  places,
  tiles,
} from './testkit/scans.js';

test('running sums: every way, length, place, direction and element type', async () => {
  for (const way of [...columns(cumsumOp), tiles(cumsumOp)]) {
    for (const n of lengths) {
      for (const place of Object.values(places)) {
        for (const exclusive of [false, true]) {
          await compareSums(way, place(n), exclusive);
          await compareSums(way, place(n), exclusive, { dtype: 'i32', low: -1e9, high: 1e9 });
          await compareSums(way, place(n), exclusive, { dtype: 'u32', low: 0, high: 4e9 });
        }
      }
    }
    await compareLongSums(way);
    await compareInfinities(way);
  }
  expect.hasAssertions();
});

test('recurrences: every way, length, place, direction and form', async () => {
  for (const way of [...columns(linearRecurrenceOp), tiles(linearRecurrenceOp)]) {
    for (const n of lengths) {
      for (const place of Object.values(places))
        for (const form of forms) await compareRecurrences(way, place(n), form);
    }
    await compareOverflow(way);
    for (const T of [300, 5000]) await compareInPlace(way, T);
  }
  expect.hasAssertions();
});

test('complex recurrences: every way, length, direction and form', async () => {
  for (const way of [...columns(complexRecurrenceOp), tiles(complexRecurrenceOp)]) {
    for (const n of lengths) {
      for (const form of forms)
        for (const repeated of [false, true]) await compareComplex(way, n, form, repeated);
    }
  }
  expect.hasAssertions();
});
