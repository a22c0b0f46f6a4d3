import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, sample as plainSample } from '../testkit.js';

// Recycled memory holds NaN, so that a kernel that leaves something out shows.
const device = s.createCpu({ poison: true });
const sample = (shape: number[], o: { seed?: number } = {}): s.Tensor => plainSample(shape, { device, ...o });

describe('cumsum', () => {
  const options = [{}, { reverse: true }, { exclusive: true }, { reverse: true, exclusive: true }];

  test.each(options)('%o along every axis', async (o) => {
    const x = sample([3, 4, 5]);
    const v = await list(x);
    for (const axis of [0, 1, 2, -1]) {
      const a = axis < 0 ? 2 : axis;
      const [stride, n] = [[20, 5, 1][a], [3, 4, 5][a]];
      const want = v.map((own, i) => {
        const t = Math.floor(i / stride) % n;
        let sum = o.exclusive ? 0 : own;
        for (let u = 0; u < n; u++) if (o.reverse ? u > t : u < t) sum += v[i + (u - t) * stride];
        return sum;
      });
      expectClose(await list(s.cumsum(x, axis, o)), want, 1e-14);
      expectClose(await list(s.cumsum(x.cast('f32'), axis, o)), want, 1e-6);
      await checkGradients((y) => s.cumsum(y, axis, o), [sample([2, 3, 2])]);
    }
  });

  test('f32 sums are carried in double', async () => {
    const x = s.tensor([2 ** 24, 1, 1, 1]);
    expect(await list(s.cumsum(x))).toEqual([2 ** 24, 2 ** 24, 2 ** 24 + 2, 2 ** 24 + 4]);
  });

  test('integers wrap; empty and single axes', async () => {
    expect(await list(s.cumsum(s.tensor(Int32Array.of(2 ** 31 - 1, 1, 1))))).toEqual([
      2 ** 31 - 1,
      -(2 ** 31),
      -(2 ** 31) + 1,
    ]);
    expect(await list(s.cumsum(s.tensor(Uint32Array.of(2 ** 32 - 1, 2))))).toEqual([2 ** 32 - 1, 1]);
    expect(await list(s.cumsum(s.zeros([2, 0, 3]), 1))).toEqual([]);
    expect(await list(s.cumsum(s.tensor([7]), 0, { exclusive: true }))).toEqual([0]);
  });

  test('messages', () => {
    expect(() => s.cumsum(s.zeros([2]), 1)).toThrow('cumsum: axis must be an integer in [-1, 0], got 1.');
    expect(() => s.cumsum(s.tensor([true]))).toThrow(
      'cumsum: the element type must be f32, f64, i32 or u32, got bool.',
    );
  });
});
