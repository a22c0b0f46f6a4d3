import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, list, sample } from '../testkit.js';

const grid = (): s.Tensor => s.arange(0, 24).reshape([2, 3, 4]);

/** Row-major elements of a view, by its definition: result index → source index. */
function pick(shape: readonly number[], source: (index: number[]) => number): number[] {
  const out: number[] = [];
  const walk = (index: number[]): void => {
    if (index.length === shape.length) out.push(source(index));
    else for (let i = 0; i < shape[index.length]; i++) walk([...index, i]);
  };
  walk([]);
  return out;
}
const flat = ([i, j, k]: number[]): number => i * 12 + j * 4 + k;

describe('views', () => {
  test('transpose, slice, flip and at look at the right elements, in any combination', async () => {
    const x = grid();
    expect(await list(x.transpose([2, 0, 1]))).toEqual(pick([4, 2, 3], ([a, b, c]) => flat([b, c, a])));
    expect(await list(x.slice(2, 3, 0, -2))).toEqual(pick([2, 3, 2], ([a, b, c]) => flat([a, b, 3 - 2 * c])));
    expect(await list(x.flip(1).at(0, 1))).toEqual(pick([2, 4], ([a, c]) => flat([a, 2, c])));
    expect(await list(x.transpose().slice(1, -3).reshape([-1]))).toEqual(
      pick([2, 3, 3], ([a, c, b]) => flat([a, b, c + 1])),
    );
    expect(await list(x.slice(1, -2, -1))).toEqual(pick([2, 1, 4], ([a, , c]) => flat([a, 1, c])));
    expect(x.slice(0, 5).shape).toEqual([0, 3, 4]);
    expect(await list(x.at(-1).at(1, -1))).toEqual([13, 17, 21]);
  });

  test('views move no data', async () => {
    const device = s.createCpu();
    const x = s.zeros([64, 64], { device });
    await x.realize();
    const { kernels } = device.counters;
    const { bytes } = device.memory();
    const v = x.transpose().slice(0, 3, 50).expandDims(0).broadcastTo([5, 47, 64]).at(2);
    await v.realize();
    expect(device.counters.kernels).toBe(kernels);
    expect(device.memory().bytes).toBe(bytes);
    expect(v.shape).toEqual([47, 64]);
  });

  test('reshape of a strided view copies only when it must', async () => {
    const device = s.createCpu();
    const x = s.arange(0, 24, 1, { device }).reshape([2, 3, 4]);
    await x.realize();
    const { kernels } = device.counters;
    await x.slice(2, 0, 2).reshape([6, 2]).realize();
    expect(device.counters.kernels).toBe(kernels);
    expect(await list(x.slice(2, 0, 2).reshape([12]))).toEqual(pick([2, 3, 2], flat));
    expect(device.counters.kernels).toBe(kernels + 1);
  });

  test('gradients of views', async () => {
    const x = sample([2, 3, 4]);
    const w = sample([3], { seed: 4 });
    for (const f of [
      (t: s.Tensor) => t.transpose([1, 2, 0]).square(),
      (t: s.Tensor) => t.slice(1, 2, undefined, -2).exp(),
      (t: s.Tensor) => t.flip(2).mul(t),
      (t: s.Tensor) => t.at(1, 1).mul(t.at(0, 1)),
      (t: s.Tensor) => t.reshape([4, 6]).transpose().reshape([2, 12]).square(),
      (t: s.Tensor) => t.expandDims(2).broadcastTo([2, 3, 5, 4]).square(),
      (t: s.Tensor) => s.squeeze(t.slice(0, 1, 2), 0).mul(w.expandDims(1)),
    ]) {
      await checkGradients(f, [x]);
    }
  });
});

describe('copies', () => {
  test('concat, stack, chunk, split, pad, triangles, repeat', async () => {
    const x = s.arange(0, 6).reshape([2, 3]);
    const y = s.arange(6, 10).reshape([2, 2]);
    expect(await s.concat([x, y], 1).toArray()).toEqual([
      [0, 1, 2, 6, 7],
      [3, 4, 5, 8, 9],
    ]);
    expect(await s.stack([x, x.mul(2)], -1).toArray()).toEqual([
      [
        [0, 0],
        [1, 2],
        [2, 4],
      ],
      [
        [3, 6],
        [4, 8],
        [5, 10],
      ],
    ]);
    expect(await s.chunk(x, 3)[1].toArray()).toEqual([[1], [4]]);
    expect(await s.splitSizes(x, [1, 2], 1)[1].toArray()).toEqual([
      [1, 2],
      [4, 5],
    ]);
    expect(await s.pad(x, 1, 1, 2, 9).toArray()).toEqual([
      [9, 0, 1, 2, 9, 9],
      [9, 3, 4, 5, 9, 9],
    ]);
    expect(await s.tril(s.ones([3, 3])).toArray()).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [1, 1, 1],
    ]);
    expect(
      await s
        .triu(s.ones([2, 3, 3]), 1)
        .at(1)
        .toArray(),
    ).toEqual([
      [0, 1, 1],
      [0, 0, 1],
      [0, 0, 0],
    ]);
    expect(await s.repeat(x, 2, 0).toArray()).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [3, 4, 5],
      [3, 4, 5],
    ]);
    expect(await s.eye(2).toArray()).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  test('gradients of copies', async () => {
    const x = sample([2, 3]);
    const y = sample([2, 2], { seed: 2 });
    await checkGradients((a, b) => s.concat([a, b.mul(b), a], 1).square(), [x, y]);
    await checkGradients((a) => s.stack([a, a.exp()], 1).square(), [x]);
    await checkGradients((a) => s.pad(a, 0, 2, 1, 3).square(), [x]);
    await checkGradients((a) => s.tril(a.matmul(a.transpose())).square(), [x]);
    await checkGradients((a) => s.repeat(a, 3, 1).square(), [x]);
    await checkGradients((a) => a.transpose().contiguous().square(), [x]);
  });

  test('empty axes', async () => {
    const e = s.zeros([2, 0, 3]);
    expect((await e.data()).length).toBe(0);
    expect(s.concat([e, s.ones([2, 1, 3])], 1).shape).toEqual([2, 1, 3]);
    expect(
      await s
        .concat([e, s.ones([2, 1, 3])], 1)
        .sum()
        .item(),
    ).toBe(6);
    expect(await e.sum(1).toArray()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(
      await s
        .zeros([2, 0])
        .matmul(s.zeros([0, 3]))
        .toArray(),
    ).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(e.add(s.ones([3])).shape).toEqual([2, 0, 3]);
    expect(s.zeros([1, 2, 0, 4]).transpose([0, 2, 1, 3]).reshape([1, 0, 8]).shape).toEqual([1, 0, 8]);
    expect((await e.transpose().softmax().data()).length).toBe(0);
  });
});

describe('messages', () => {
  const x = s.zeros([2, 3]);
  test.each<[() => unknown, string]>([
    [
      () => x.reshape([4, 2]),
      'reshape: the sizes must match, got [2, 3] (6 elements) to [4, 2]. At most one size may be -1.',
    ],
    [() => x.transpose([0, 0]), 'transpose: perm must name each of the 2 axes once, got [0, 0] for [2, 3].'],
    [() => x.at(3, 1), 'at: index must be an integer in [-3, 2], got 3 for axis 1 of [2, 3].'],
    [() => x.sum(2), 'sum: axis must be an integer in [-2, 1], got 2. The tensor has rank 2.'],
    [() => x.sum([0, -2]), 'sum: axes must be distinct, got [0, 0]. Name each once.'],
    [() => s.squeeze(x, 0), 'squeeze: axis 0 must have size 1, got [2, 3]. Use at() to pick one element.'],
    [
      () => s.concat([x, s.zeros([3, 3])], 1),
      'concat: all shapes must agree outside axis 1, got [2, 3] and [3, 3] (argument 1). Reshape or pad them.',
    ],
    [
      () => s.chunk(x, 2),
      'chunk: axis -1 of [2, 3] must be divisible by n, got n = 2. Use splitSizes() for unequal parts.',
    ],
    [
      () => x.broadcastTo([3, 2]),
      'broadcastTo: [2, 3] does not broadcast to [3, 2]. Sizes must be equal or 1.',
    ],
    [
      () => s.tensor([[1, 2], [3]]),
      'tensor: nested arrays must be rectangular, got a row of 1 where the shape is [2, 2] (axis 1).',
    ],
    [
      () => s.tensor([1, 2, 3], { shape: [2, 2] }),
      'tensor: the shape must hold all elements, got [2, 2] (4) for 3 numbers.',
    ],
    [
      () => s.tensor(new Uint8Array(2)),
      "tensor: dtype must be given for a Uint8Array. Say for example { dtype: 'f32' }.",
    ],
    [() => s.zeros([2, -1]), 'full: sizes must be integers ≥ 0, got [2, -1].'],
  ])('%#', (f, message) => {
    expect(f).toThrow(message);
    try {
      f();
    } catch (e) {
      expect(s.SeqError.is(e)).toBe(true);
    }
  });
});
