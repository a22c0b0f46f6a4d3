import { expect, test } from 'vitest';
import { sigmoidRow, tanhRow } from './math.js';

type Row = typeof sigmoidRow;

/** One value through a row function, which must leave its neighbours alone. */
function one(f: Row): (x: number) => number {
  return (x) => {
    const row = Float64Array.of(7, x, 7);
    f(row, 1, 2);
    expect([row[0], row[2]]).toEqual([7, 7]);
    return row[1];
  };
}

/** Largest relative error over both signs and all magnitudes from 1e-12 to 100. */
function worst(f: Row, exact: (x: number) => number): number {
  const n = 40_000;
  const x = Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : -1) * 10 ** (-12 + (14 * i) / n));
  const y = x.slice();
  f(y, 0, n);
  return y.reduce((w, v, i) => Math.max(w, Math.abs(v / exact(x[i]) - 1)), 0);
}

test('sigmoid is exact to two units in the last place', () => {
  expect(worst(sigmoidRow, (x) => 1 / (1 + Math.exp(-x)))).toBeLessThan(5e-16);
});

test('tanh keeps its digits near 0', () => {
  expect(worst(tanhRow, Math.tanh)).toBeLessThan(6e-15);
});

test('far out they saturate, and NaN stays', () => {
  expect([-Infinity, -1e9, -701, 1e9, Infinity].map(one(sigmoidRow))).toEqual([0, 0, 0, 1, 1]);
  expect([-Infinity, -1e9, 0, 1e9, Infinity].map(one(tanhRow))).toEqual([-1, -1, 0, 1, 1]);
  expect([one(sigmoidRow)(NaN), one(tanhRow)(NaN)]).toEqual([NaN, NaN]);
});
