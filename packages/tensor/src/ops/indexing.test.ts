import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, list, sample } from '../testkit.js';

const i32 = (data: number[], shape?: number[]): s.Tensor =>
  s.tensor(data, { dtype: 'i32', shape: shape ?? [data.length] });

describe('indexing', () => {
  test('gather picks along any axis with indices of any shape', async () => {
    const x = s.arange(0, 12).reshape([3, 4]);
    expect(await s.gather(x, i32([2, 0, 2])).toArray()).toEqual([
      [8, 9, 10, 11],
      [0, 1, 2, 3],
      [8, 9, 10, 11],
    ]);
    expect(await s.gather(x, i32([3, 1, 0, 0], [2, 2]), 1).toArray()).toEqual([
      [
        [3, 1],
        [0, 0],
      ],
      [
        [7, 5],
        [4, 4],
      ],
      [
        [11, 9],
        [8, 8],
      ],
    ]);
    expect(await s.gather(x, s.tensor(1, { dtype: 'i32' }), 1).toArray()).toEqual([1, 5, 9]);
    expect(await s.gather(x.transpose(), i32([1])).toArray()).toEqual([[1, 5, 9]]);
  });

  test('scatterAdd adds repeated indices; oneHot; takeAlong', async () => {
    const x = s.zeros([3, 2]);
    expect(
      await s
        .scatterAdd(
          x,
          i32([1, 1, 0]),
          s.tensor([
            [1, 2],
            [3, 4],
            [5, 6],
          ]),
        )
        .toArray(),
    ).toEqual([
      [5, 6],
      [4, 6],
      [0, 0],
    ]);
    expect(await s.oneHot(i32([2, 0]), 3).toArray()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
    expect(
      await s
        .takeAlong(
          s.tensor([
            [1, 2, 3],
            [4, 5, 6],
          ]),
          i32([2, 0, 1, 1], [2, 2]),
        )
        .toArray(),
    ).toEqual([
      [3, 1],
      [5, 5],
    ]);
  });

  test('sliceAt and updateAt take starts that are data, one for all or one per row', async () => {
    const x = s.arange(0, 12).reshape([2, 6]);
    const two = s.tensor(2, { dtype: 'i32' });
    expect(await s.sliceAt(x, two, 3, 1).toArray()).toEqual([
      [2, 3, 4],
      [8, 9, 10],
    ]);
    expect(await s.sliceAt(x, i32([0, 4]), 2, 1).toArray()).toEqual([
      [0, 1],
      [10, 11],
    ]);
    const u = s.full([2, 2], -1);
    expect(await s.updateAt(x, u, i32([4, 0]), 1).toArray()).toEqual([
      [0, 1, 2, 3, -1, -1],
      [-1, -1, 8, 9, 10, 11],
    ]);
    expect(await list(x)).toEqual([...Array(12).keys()]);
  });

  test('gradients, twice', async () => {
    const x = sample([3, 4]);
    const idx = i32([2, 0, 2]);
    const start = i32([0, 2, 1]);
    await checkGradients((t) => s.gather(t, idx).square(), [x]);
    await checkGradients((t) => s.gather(t, idx, 1).square(), [x]);
    await checkGradients((t, u) => s.scatterAdd(t, idx, u).square(), [x, sample([3, 4], { seed: 5 })]);
    await checkGradients((t) => s.takeAlong(t, i32([1, 1, 3, 0, 2, 2], [3, 2])).square(), [x]);
    await checkGradients((t) => s.sliceAt(t, start, 2, 1).square(), [x]);
    await checkGradients((t, u) => s.updateAt(t, u, start, 1).square(), [x, sample([3, 2], { seed: 6 })]);
  });

  test('a cache is updated in place when nobody else reads it, and copied when somebody does', async () => {
    const device = s.createCpu();
    let cache = s.zeros([1, 1000, 64], { device });
    await cache.realize();
    const write = (c: s.Tensor, v: number, t: number): s.Tensor =>
      s.scope(() =>
        s.updateAt(c, s.full([1, 1, 64], v, { device }), s.tensor(t, { dtype: 'i32', device }), 1),
      );
    device.resetPeak();
    const before = device.memory().bytes;
    for (let t = 0; t < 5; t++) {
      const next = write(cache, t + 1, t);
      cache.dispose();
      cache = next;
      await cache.realize();
    }
    expect(device.memory().peakBytes).toBeLessThan(before + 4 * 64 * 8);
    const kept = cache;
    const forked = write(kept, 9, 0);
    expect((await list(kept.at(0).at(0)))[0]).toBe(1);
    expect((await list(forked.at(0).at(0)))[0]).toBe(9);
  });

  test('an index out of range names the op, the value and the line that recorded it', async () => {
    const device = s.createCpu();
    const x = s.zeros([3, 2], { device });
    const bad = s.gather(x, s.tensor([0, 3], { dtype: 'i32', device }));
    const after = bad.add(1);
    await expect(after.data()).rejects.toThrow(
      /^gather: index must be in \[0, 2\], got 3 \(element 1 of the indices\)\. Recorded at .*indexing\.test\.ts:\d+/,
    );
    await expect(bad.data()).rejects.toThrow('gather: index must be in [0, 2], got 3');
    // The device goes on working.
    expect(await x.sum().item()).toBe(0);
    await expect(s.oneHot(s.tensor([-1], { dtype: 'i32', device }), 2).data()).rejects.toMatchObject({
      code: 'index',
    });
    const late = s.updateAt(x, s.ones([2, 2], { device }), s.tensor(2, { dtype: 'i32', device }));
    await expect(late.data()).rejects.toThrow(
      'updateAt: the window must lie inside axis 0 of size 3, got start 2 and size 2.',
    );
    expect(() => s.gather(x, s.tensor([0], { device }))).toThrow(
      "gather: indices must be i32, got f32. Use cast('i32').",
    );
  });

  test('sums are of numbers: bits of f16 are refused', () => {
    const half = s.tensor([1, 2], { dtype: 'f16' });
    expect(() => s.scatterAdd(half, i32([0]), s.tensor([1], { dtype: 'f16' }))).toThrow(
      "scatterAdd: the element type must be a number type, got f16. Use cast('f32') first.",
    );
    const along = s.gather(half, i32([1, 1])); // what is only moved may be f16
    expect(along.dtype).toBe('f16');
  });
});
