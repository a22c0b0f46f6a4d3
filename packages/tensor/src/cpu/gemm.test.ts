import { describe, expect, test } from 'vitest';
import { numbers } from '../testkit.js';
import { gemm, gemmInto } from './gemm.js';
import type { FloatArray } from './gemm-packed.js';

type Make = (values: number[]) => FloatArray;
const types: [name: string, make: Make][] = [
  ['f32', (v) => Float32Array.from(v)],
  ['f64', (v) => Float64Array.from(v)],
];

/** Sums in double in the order of k: the definition. */
function naive(
  [m, n, k]: readonly [number, number, number],
  a: (i: number, l: number) => number,
  b: (l: number, j: number) => number,
): number[] {
  const c: number[] = [];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a(i, l) * b(l, j);
      c.push(sum);
    }
  }
  return c;
}

/** Index of the first element that differs, −1 when none does; faster on large arrays than toEqual. */
function difference(got: FloatArray, want: FloatArray): number {
  return got.length === want.length ? got.findIndex((v, i) => !Object.is(v, want[i])) : Infinity;
}

const sizes: [number, number, number][] = [
  [1, 1, 1],
  [2, 3, 1],
  [3, 2, 5],
  [7, 7, 7],
  [8, 8, 8],
  [9, 11, 13],
  [1, 17, 33],
  [1, 8, 64],
  [17, 1, 9],
  [4, 5, 6],
  [5, 9, 3],
  [6, 20, 31],
  [20, 6, 31],
  [40, 2, 7],
  [8, 9, 1],
  [64, 48, 65],
  [33, 49, 130],
];
const deep: [number, number, number][] = [
  [9, 10, 1024],
  [9, 10, 1025],
  [130, 9, 1030],
  [9, 99, 1030],
  [3, 5, 4096],
  [3, 5, 4097],
  [8, 8, 5000],
  [200, 8, 700],
  [8, 120, 900],
];

describe.each(types)('gemm %s', (_, make) => {
  test.each([...sizes, ...deep])(
    '%i x %i x %i equals the naive loop bit for bit, under every layout',
    (m, n, k) => {
      const a = make(numbers(m * k + 3, 5));
      const b = make(numbers(k * n + 5, 6));
      for (const ta of [false, true]) {
        for (const tb of [false, true]) {
          const [ar, ac] = ta ? [1, m] : [k, 1];
          const [br, bc] = tb ? [1, k] : [n, 1];
          const c = make(new Array<number>(m * n + 4).fill(NaN));
          gemm(m, n, k, a, 3, ar, ac, b, 5, br, bc, c, 2);
          const w = make(
            naive(
              [m, n, k],
              (i, l) => a[3 + i * ar + l * ac],
              (l, j) => b[5 + l * br + j * bc],
            ),
          );
          expect(difference(c.subarray(2, 2 + m * n), w)).toBe(-1);
          // Nothing beside C is written.
          expect([c[0], c[1], c[2 + m * n], c[3 + m * n]]).toEqual([NaN, NaN, NaN, NaN]);
        }
      }
    },
  );

  test('adds to C and writes into any layout of it', () => {
    for (const [m, n, k] of sizes) {
      const a = make(numbers(m * k, 1));
      const b = make(numbers(k * n, 2));
      const before = make(numbers(3 * m * n, 3));
      const c = before.slice();
      // C is transposed, every third element of the buffer.
      gemmInto(m, n, k, a, 0, k, 1, b, 0, n, 1, c, 1, 3, 3 * m, true);
      const sums = naive(
        [m, n, k],
        (i, l) => a[i * k + l],
        (l, j) => b[l * n + j],
      );
      const want = before.slice();
      for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) want[1 + 3 * (i + j * m)] += sums[i * n + j];
      expect(difference(c, want)).toBe(-1);
    }
  });

  test('strides of 0 repeat, negative strides reverse', () => {
    const a = make(numbers(12, 1));
    const b = make(numbers(12, 2));
    const c = make(new Array<number>(100).fill(NaN));
    gemm(10, 10, 12, a, 11, 0, -1, b, 0, 1, 0, c, 0);
    let sum = 0;
    for (let l = 0; l < 12; l++) sum += a[11 - l] * b[l];
    expect(c).toEqual(make(new Array<number>(100).fill(sum)));
  });

  test('K = 0 gives zeros; empty results touch nothing', () => {
    for (const [m, n] of [
      [2, 3],
      [9, 9],
      [1, 20],
    ]) {
      const c = make(new Array<number>(m * n).fill(NaN));
      gemm(m, n, 0, make([]), 0, 0, 1, make([]), 0, n, 1, c, 0);
      expect(c).toEqual(make(new Array<number>(m * n).fill(0)));
    }
    const c = make([1, 2]);
    gemm(0, 2, 3, make([]), 0, 3, 1, make(numbers(6)), 0, 2, 1, c, 0);
    gemm(2, 0, 3, make(numbers(6)), 0, 3, 1, make([]), 0, 0, 1, c, 0);
    expect([...c]).toEqual([1, 2]);
  });

  test('infinities stay where they are: no row leaks into another', () => {
    for (const m of [3, 9]) {
      const a = make(numbers(m * 4, 1));
      a[(m - 1) * 4] = Infinity;
      const b = make(numbers(4 * 10, 2));
      b[0] = NaN;
      const c = make(new Array<number>(m * 10).fill(0));
      gemm(m, 10, 4, a, 0, 4, 1, b, 0, 10, 1, c, 0);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < 10; j++) expect(Number.isFinite(c[i * 10 + j])).toBe(j > 0 && i < m - 1);
      }
    }
  });
});

test('f32 products are rounded once: sums that cancel in single precision keep their digits', () => {
  const k = 2000;
  const a = Float32Array.from({ length: k }, (_, i) => (i % 2 === 0 ? 1e6 : -1e6) + (i < 2 ? 0.125 : 0));
  const c = new Float32Array(100);
  gemm(10, 10, k, a, 0, 0, 1, new Float32Array(k).fill(1), 0, 1, 0, c, 0);
  expect([...c]).toEqual(new Array<number>(100).fill(0.25));
});
