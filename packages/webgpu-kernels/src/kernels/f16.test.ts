import * as s from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import type { TestContext } from 'vitest';
import { same, sameGrad, testDevice } from '../testkit.js';
import type { Input } from '../testkit.js';

const half = (shape: readonly number[], seed: number = 1, low: number = -2, high: number = 2): Input => ({
  ...{ shape, seed, low, high },
  dtype: 'f16',
});
const full = (x: Tensor): Tensor => x.cast('f32');

/** As a plan, in which casts are part of the kernels around them. */
const planned =
  (f: (...xs: Tensor[]) => Tensor) =>
  (...xs: Tensor[]): Tensor => {
    const run = s.compile(f);
    const y = run(...xs);
    run.dispose();
    return y;
  };

/** Rounding to f16, twice at most where a value lies between two. */
const ulp = { tolerance: 2 ** -10 };
/** Of sums in f32: f16 would be off by a thousand times as much. */
const sums = { tolerance: 2e-5 };

/** Skips a test where the adapter has no f16, and says so. */
async function needed(context: TestContext): Promise<void> {
  const { limits } = await testDevice();
  if (!limits.f16) context.skip('the adapter has no shader-f16');
}

// Numbers are held in f16 and computed with in f32.
describe('f16', () => {
  test('is rounded to as on the CPU, and moved as it is at odd lengths and places', async (context) => {
    await needed(context);
    const x: Input = { shape: [1009], low: -70_000, high: 70_000 };
    await same((t) => t.cast('f16'), [x], { exact: true });
    await same((t) => t.cast('f16'), [{ shape: [999], low: -1e-4, high: 1e-4 }], { exact: true });
    for (const shape of [[1], [2], [3], [63], [65], [127, 3], [5, 64], [7, 1, 9]]) {
      await same((t) => s.contiguous(t.flip(0)), [half(shape)]);
      if (shape.length > 1) await same((t) => s.contiguous(t.transpose()), [half(shape)]);
      await same((a, b) => s.concat([a, b, a], -1), [half(shape), half(shape, 2)]);
      await same((t) => s.contiguous(t.slice(0, Math.floor(shape[0] / 2), shape[0])), [half(shape)]);
    }
    const rows: Input = { shape: [29], dtype: 'i32', low: 0, high: 17 };
    await same((t, i) => s.gather(t, i), [half([17, 5]), rows]);
    await same((t, i) => s.gather(t, i), [half([17, 8]), rows]);
  });

  test('goes through chains of functions', async (context) => {
    await needed(context);
    for (const shape of [[64, 16], [1009], [5, 7, 9]]) {
      const f = (x: Tensor, y: Tensor): Tensor => full(x).mul(1.5).add(full(y)).sigmoid().cast('f16');
      await same(f, [half(shape), half(shape.slice(-1), 2)], ulp);
      await same(planned(f), [half(shape), half(shape.slice(-1), 2)], ulp);
    }
  });

  test('is summed in f32 by products, reductions, softmax and norms', async (context) => {
    await needed(context);
    for (const [M, N, K] of [
      [64, 64, 64],
      [63, 65, 1009],
      [1, 40, 4096],
    ]) {
      const inputs = [half([M, K], 1, 0, 1), half([K, N], 2, 0, 1)];
      await same((a, b) => s.matmul(full(a), full(b)), inputs, sums);
      await same(
        planned((a, b) =>
          s
            .matmul(full(a), full(b))
            .mul(1 / K)
            .cast('f16'),
        ),
        inputs,
        ulp,
      );
    }
    for (const n of [5, 64, 5003]) {
      const x = half([3, n], 3, 0, 1);
      for (const f of [s.sum, s.mean, s.variance, s.max]) {
        await same((t) => f(full(t), -1), [x], sums);
        await same(
          planned((t) => f(full(t).mul(2), -1)),
          [x],
          sums,
        );
      }
      for (const f of [s.softmax, s.logSoftmax, s.logSumExp])
        await same((t) => f(full(t)), [half([3, n])], sums);
      await same(
        planned((t) => s.softmax(full(t)).cast('f16')),
        [half([3, n])],
        ulp,
      );
    }
  });

  test('lets gradients through', async (context) => {
    await needed(context);
    await sameGrad((x, y) => full(x.cast('f16')).mul(y), [{ shape: [67] }, { shape: [67], seed: 2 }], {
      exact: true,
      tolerance: 2 ** -10,
    });
    const device = await testDevice();
    const x = s.full([9], 0.5, { device, dtype: 'f16' });
    expect(x.dtype).toBe('f16');
    expect(Array.from(await full(x).data())).toEqual(Array.from({ length: 9 }, () => 0.5));
  });
});
