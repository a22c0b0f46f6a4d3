import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, list, numbers, sample as plainSample } from '../testkit.js';

const device = s.createCpu({ poison: true });
const sample = (shape: number[], seed = 1): s.Tensor => plainSample(shape, { device, seed });

/** Indices of a stable sort by a comparison that puts NaN above everything. */
function order(row: number[], largest: boolean): number[] {
  const above = (a: number, b: number): number => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    return a < b ? -1 : a > b ? 1 : 0;
  };
  return row
    .map((_, i) => i)
    .sort((i, j) => (largest ? above(row[j], row[i]) : above(row[i], row[j])) || i - j);
}

describe('topK', () => {
  const hard = [3, -0, 0, NaN, -Infinity, 3, Infinity, -3, 1e-45, -1e-45, 3, NaN, -1e30, 1e30];

  test.each(['f32', 'f64'] as const)('%s: order of special values, ties by index', async (dtype) => {
    const x = s.tensor(hard, { dtype, device });
    const v = await list(x);
    for (const largest of [true, false]) {
      for (const k of [0, 1, 2, 3, 7, hard.length]) {
        const [values, indices] = s.topK(x, k, { largest });
        const want = order(v, largest).slice(0, k);
        expect(await list(indices)).toEqual(want);
        expect(await list(values)).toEqual(want.map((i) => v[i]));
      }
    }
  });

  test('integers of both kinds at their limits', async () => {
    const i = s.tensor(Int32Array.of(5, -(2 ** 31), 2 ** 31 - 1, -1, 0, 5), { device });
    expect(await list(s.topK(i, 6)[0])).toEqual([2 ** 31 - 1, 5, 5, 0, -1, -(2 ** 31)]);
    const u = s.tensor(Uint32Array.of(5, 2 ** 32 - 1, 2 ** 31, 0), { device });
    expect(await list(s.topK(u, 4)[1])).toEqual([1, 2, 0, 3]);
  });

  test.each([1, 5, 63, 64, 1000])('rows of 1000, k = %i, many equals', async (k) => {
    const rows = numbers(3000, 8).map((v) => Math.round(40 * v));
    const x = s.tensor(rows, { shape: [3, 1000], device });
    const [values, indices] = s.topK(x, k);
    const got = await list(indices);
    const vals = await list(values);
    for (let r = 0; r < 3; r++) {
      const row = rows.slice(r * 1000, (r + 1) * 1000);
      const want = order(row, true).slice(0, k);
      expect(got.slice(r * k, (r + 1) * k)).toEqual(want);
      expect(vals.slice(r * k, (r + 1) * k)).toEqual(want.map((i) => row[i]));
    }
  });

  test('gradients go to the chosen elements', async () => {
    await checkGradients((x) => s.topK(x, 2)[0].square(), [sample([3, 4])]);
    await checkGradients((x) => s.topK(x, 4, { largest: false })[0], [sample([4])]);
    const g = s.grad((x: s.Tensor) => s.topK(x, 2)[0].sum(), s.tensor([1, 7, 7, 7], { device }));
    expect(await list(g)).toEqual([0, 1, 1, 0]);
  });

  test('empty rows and views', async () => {
    expect(s.topK(s.zeros([2, 0]), 0)[0].shape).toEqual([2, 0]);
    expect(s.topK(s.zeros([0, 3]), 2)[1].shape).toEqual([0, 2]);
    const x = sample([4, 3]);
    expect(await list(s.topK(x.transpose(), 2)[1])).toEqual(
      await list(s.topK(x.transpose().contiguous(), 2)[1]),
    );
  });

  test('messages', () => {
    expect(() => s.topK(s.zeros([2, 3]), 4)).toThrow(
      'topK: k must be an integer in [0, 3] for x [2, 3], got 4.',
    );
    expect(() => s.topK(s.zeros([2, 3]), 1.5)).toThrow('got 1.5');
    expect(() => s.topK(s.zeros([]), 0)).toThrow('topK: x must have an axis');
    expect(() => s.topK(s.tensor([true]), 1)).toThrow(
      'topK: the element type must be f32, f64, i32 or u32, got bool.',
    );
  });
});

describe('argsort', () => {
  test('sorts along any axis, both ways, stable', async () => {
    const values = numbers(60, 3).map((v) => Math.round(3 * v));
    const x = s.tensor(values, { shape: [3, 4, 5], dtype: 'f64', device });
    for (const axis of [0, 1, 2, -1]) {
      for (const descending of [false, true]) {
        const index = s.argsort(x, axis, { descending });
        expect(index.shape).toEqual([3, 4, 5]);
        const a = axis < 0 ? 2 : axis;
        const rows = await list(x.swapAxes(a, -1));
        const got = await list(index.swapAxes(a, -1));
        const n = [3, 4, 5][a];
        for (let r = 0; r < 60 / n; r++) {
          expect(got.slice(r * n, (r + 1) * n)).toEqual(order(rows.slice(r * n, (r + 1) * n), descending));
        }
      }
    }
  });
});
