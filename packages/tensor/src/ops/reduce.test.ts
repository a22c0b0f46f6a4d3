import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, numbers, sample } from '../testkit.js';

/** Reduces [A, B, C] by hand over the named axes. */
function byHand(
  values: number[],
  axes: number[],
  start: number,
  f: (acc: number, v: number) => number,
): number[] {
  const shape = [2, 3, 4];
  const kept = [0, 1, 2].filter((i) => !axes.includes(i));
  const out = new Array<number>(kept.reduce((n, i) => n * shape[i], 1)).fill(start);
  values.forEach((v, k) => {
    const index = [Math.floor(k / 12), Math.floor(k / 4) % 3, k % 4];
    const at = kept.reduce((n, i) => n * shape[i] + index[i], 0);
    out[at] = f(out[at], v);
  });
  return out;
}

const subsets = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];

describe('reductions', () => {
  test.each(subsets.map((axes) => [axes]))('over axes %j of dense and strided operands', async (axes) => {
    const x = sample([2, 3, 4]);
    const values = await list(x);
    const strided = x.transpose([2, 0, 1]).contiguous().transpose([1, 2, 0]);
    for (const t of [x, strided]) {
      expectClose(
        await list(s.sum(t, axes)),
        byHand(values, axes, 0, (a, v) => a + v),
        1e-14,
      );
      expectClose(await list(s.max(t, axes)), byHand(values, axes, -Infinity, Math.max), 0);
      expectClose(await list(s.min(t, axes)), byHand(values, axes, Infinity, Math.min), 0);
      expectClose(
        await list(s.prod(t, axes)),
        byHand(values, axes, 1, (a, v) => a * v),
        1e-14,
      );
      const lse = byHand(values, axes, 0, (a, v) => a + Math.exp(v)).map(Math.log);
      expectClose(await list(s.logSumExp(t, axes)), lse, 1e-14);
    }
    expect(s.sum(x, axes, { keepDims: true }).shape).toEqual(
      [2, 3, 4].map((d, i) => (axes.includes(i) ? 1 : d)),
    );
    for (const f of [s.sum, s.mean, s.max, s.min, s.prod, s.variance, s.logSumExp]) {
      await checkGradients((t) => f(t, axes), [x]);
    }
  });

  test('the gradient of a product with zeros is the product of the others', async () => {
    const g = s.grad(
      (x: s.Tensor) => s.prod(x, 1).sum(),
      s.tensor(
        [
          [2, 0, 3],
          [0, 0, 5],
          [1, 2, 4],
        ],
        { dtype: 'f64' },
      ),
    );
    expect(await g.toArray()).toEqual([
      [0, 6, 0],
      [0, 0, 0],
      [8, 4, 2],
    ]);
  });

  test('equal maxima share the gradient', async () => {
    const g = s.grad((x: s.Tensor) => s.max(x).mul(6), s.tensor([1, 3, 3, 3]));
    expect(await list(g)).toEqual([0, 2, 2, 2]);
  });

  test('argMax takes the first of equals; any and all; sums accumulate in double', async () => {
    const x = s.tensor([
      [1, 5, 5],
      [7, 2, 7],
    ]);
    expect(await list(s.argMax(x))).toEqual([1, 0]);
    expect(await list(s.argMin(x, 0))).toEqual([0, 1, 0]);
    expect(await list(x.gt(4).any(1))).toEqual([1, 1]);
    expect(await list(x.gt(1).all(1))).toEqual([0, 1]);
    const many = s.full([1_000_000], 0.1);
    expectClose([await many.sum().item()], [1_000_000 * Math.fround(0.1)], 1e-7);
  });

  test('empty axes', async () => {
    const e = s.zeros([2, 0]);
    expect(await list(e.sum(1))).toEqual([0, 0]);
    expect(await list(s.prod(e, 1))).toEqual([1, 1]);
    expect(await list(s.logSumExp(e, 1))).toEqual([-Infinity, -Infinity]);
    expect(() => e.max(1)).toThrow(
      'max: the reduced axes must not be empty, got [2, 0]. An empty max has no value.',
    );
    expect(e.max(0).shape).toEqual([0]);
  });
});

describe('softmax', () => {
  test('equals its definition and differentiates twice, along any axis', async () => {
    const x = sample([2, 3, 4], { map: (u) => 3 * u });
    for (const axis of [0, 1, 2]) {
      const e = x.exp();
      expectClose(await list(x.softmax(axis)), await list(e.div(e.sum(axis, { keepDims: true }))), 1e-14);
      expectClose(await list(x.logSoftmax(axis)), await list(x.softmax(axis).log()), 1e-13);
      await checkGradients((t) => t.softmax(axis), [x]);
      await checkGradients((t) => t.logSoftmax(axis), [x]);
    }
  });

  test('large logits do not overflow; rows of −∞ give zeros and no NaN, in value and gradient', async () => {
    expectClose(
      await list(s.tensor([1e4, 1e4 - 1, -1e4]).softmax()),
      [1 / (1 + Math.exp(-1)), Math.exp(-1) / (1 + Math.exp(-1)), 0],
      1e-6,
    );
    const x = s.tensor([
      [-Infinity, -Infinity],
      [0, -Infinity],
    ]);
    expect(await x.softmax().toArray()).toEqual([
      [0, 0],
      [1, 0],
    ]);
    expect(await list(x.logSumExp(1))).toEqual([-Infinity, 0]);
    for (const f of [(t: s.Tensor) => t.softmax(), (t: s.Tensor) => t.logSumExp(1)]) {
      const g = s.grad((t: s.Tensor) => f(t).mul(3).sum(), x);
      expect((await list(g)).every(Number.isFinite)).toBe(true);
    }
    expect(await list(s.tensor([NaN, 1]).softmax().isNaN())).toEqual([1, 1]);
  });
});

describe('matmul', () => {
  test('batches broadcast, transposed views agree with copies, gradients', async () => {
    const shapes: [number[], number[]][] = [
      [
        [3, 4],
        [4, 5],
      ],
      [
        [2, 3, 4],
        [4, 5],
      ],
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
      [
        [1, 3, 4],
        [6, 4, 2],
      ],
      [
        [5, 1, 2, 3],
        [1, 4, 3, 2],
      ],
    ];
    for (const [sa, sb] of shapes) {
      const [a, b] = [sample(sa), sample(sb, { seed: 2 })];
      const naive = a.expandDims(-1).mul(b.expandDims(-3)).sum(-2);
      expectClose(await list(a.matmul(b)), await list(naive), 1e-13);
      const [at, bt] = [a.transpose().contiguous(), b.transpose().contiguous()];
      expectClose(await list(at.transpose().matmul(bt.transpose())), await list(naive), 1e-13);
      await checkGradients((x, y) => x.matmul(y), [a, b], { second: sa.length < 4 });
    }
  });

  test('a weight shared by a batch takes one product forward and one per gradient', () => {
    const x = s.zeros([4, 7, 8]);
    const w = s.zeros([8, 3]);
    const plan = s.explain(
      (p: { x: s.Tensor; w: s.Tensor }) =>
        s.grad((q: { x: s.Tensor; w: s.Tensor }) => q.x.matmul(q.w).square().sum(), p),
      { x, w },
    );
    const products = plan.kernels.filter((k) => k.op === 'matmul');
    expect(products.reduce((n, k) => n + k.count, 0)).toBe(3);
    expect(plan.matmulFlops).toBe(3 * 2 * 28 * 8 * 3);
  });

  test('all of nothing is true, any of nothing is not', async () => {
    const none = s.tensor([], { dtype: 'bool', shape: [2, 0] });
    expect(await list(s.all(none, 1))).toEqual([1, 1]);
    expect(await list(s.any(none, 1))).toEqual([0, 0]);
    const some = s.tensor([1, 1, 1, 0], { dtype: 'bool', shape: [2, 2] });
    expect(await list(s.all(some, 1))).toEqual([1, 0]);
    expect(s.all(some, 0, { keepDims: true }).shape).toEqual([1, 2]);
  });

  test('messages', () => {
    expect(() => s.zeros([2, 3]).matmul(s.zeros([4, 5]))).toThrow(
      'matmul: inner sizes must agree, got [2, 3] and [4, 5] (3 ≠ 4). Did you mean b.transpose()?',
    );
    expect(() => s.zeros([3]).matmul(s.zeros([3, 5]))).toThrow(
      'matmul: both operands must have at least two axes, got [3] and [3, 5].',
    );
    expect(() => s.zeros([2, 3]).matmul(s.zeros([3, 5], { dtype: 'f64' }))).toThrow(
      'matmul: both operands must be f32 or both f64, got f32 and f64.',
    );
  });
});

test('the numbers of the test kit are in range and differ by seed', () => {
  const [a, b] = [numbers(100, 1), numbers(100, 2)];
  expect(a.every((v) => v >= -1 && v < 1)).toBe(true);
  expect(a).not.toEqual(b);
});
