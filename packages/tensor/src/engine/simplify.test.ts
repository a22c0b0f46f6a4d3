import { describe, expect, test } from 'vitest';
import { compile, explain } from '../compile.js';
import { arange, tensor } from '../creation.js';
import { checkpoint, grad, valueAndGrad } from '../grad.js';
import { uniform } from '../ops/random.js';
import { key } from '../key.js';
import { concat } from '../ops/shape.js';
import type { Plan } from '../plan.js';
import type { Tensor } from '../tensor.js';

const x: Tensor = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3] });
const kernels = (plan: Plan): string[] =>
  plan.kernels.flatMap((k) => Array<string>(k.count).fill(k.op)).sort();

describe('a plan', () => {
  test('computes small values and constants once', async () => {
    const table = (): Tensor => arange(0, 3, 1).mul(0.5).cos();
    const twice = (t: Tensor): Tensor => t.mul(table()).add(t.sum(0).exp().mul(table())).sub(t.sum(0).exp());
    const plan = explain(twice, x);
    expect(kernels(plan).filter((op) => ['arange', 'cos', 'sum', 'exp'].includes(op))).toEqual([
      'arange',
      'cos',
      'exp',
      'sum',
    ]);
    const run = compile(twice);
    expect(await run(x).data()).toEqual(await twice(x).data());
  });

  test('tells apart what differs in an attribute, a type or a place', async () => {
    const f = (t: Tensor): Tensor =>
      concat([
        t.at(0, 0).mul(2),
        t.at(1, 0).mul(2),
        t.sum(0),
        t.sum(0, { keepDims: true }).reshape([3]),
        t.sum(1).mul(-0),
        t.sum(1).mul(0),
        uniform(key(1), [2]),
        uniform(key(2), [2]),
        tensor([1, 2]),
        tensor([1, 3]),
      ]);
    expect(Array.from(await compile(f)(x).data(), (v) => Object.is(v, -0))).toEqual(
      Array.from(await f(x).data(), (v) => Object.is(v, -0)),
    );
    expect(await compile(f)(x).data()).toEqual(await f(x).data());
  });

  test('joins the slices of a gradient instead of padding and adding them', async () => {
    const loss = (t: Tensor): Tensor =>
      t
        .slice(1, 1, 2)
        .exp()
        .sum()
        .add(t.slice(1, 2, 3).square().sum())
        .add(t.slice(1, 0, 1).mul(3).sum());
    const d = (t: Tensor): Tensor => grad(loss, t);
    expect(kernels(explain(d, x))).toContain('concat');
    expect(kernels(explain(d, x))).not.toContain('unslice');
    expect(await compile(d)(x).data()).toEqual(await d(x).data());
    // Slices that overlap, or leave something out, are added as they were.
    for (const parts of [
      [0, 2, 1, 3],
      [0, 1, 2, 3],
    ] as const) {
      const some = (t: Tensor): Tensor =>
        grad(
          (u: Tensor) =>
            u
              .slice(1, parts[0], parts[1])
              .exp()
              .sum()
              .add(u.slice(1, parts[2], parts[3]).exp().sum()),
          t,
        );
      expect(kernels(explain(some, x))).toContain('unslice');
      expect(await compile(some)(x).data()).toEqual(await some(x).data());
    }
  });

  test('computes what depends on no argument when it is made, and plain numbers in place', async () => {
    const masked = (t: Tensor): Tensor => {
      const i = arange(0, 3, 1, { dtype: 'i32' });
      return i.expandDims(0).le(i.expandDims(1)).cast('f32').matmul(t.transpose()).add(1);
    };
    const run = compile(masked);
    expect(kernels(run.plan(x))).toEqual(['add', 'fill', 'matmul']);
    const want = await masked(x).data();
    for (let i = 0; i < 3; i++) expect(await run(x).data()).toEqual(want);
    run.dispose();
    // A result that is a constant is a copy of its own each time.
    const constant = compile((t: Tensor) => [t.add(1), arange(0, 4, 1).exp()] as const);
    const [[, a], [, b]] = [constant(x), constant(x)];
    a.dispose();
    expect(await b.data()).toEqual(await arange(0, 4, 1).exp().data());
    constant.dispose();
  });

  test('computes again what a checkpoint let go', () => {
    const big = uniform(key(3), [64, 64]);
    const f = (t: Tensor): Tensor => t.matmul(t).exp();
    const plan = (again: boolean): string[] =>
      kernels(
        explain((t: Tensor) => valueAndGrad((u: Tensor) => (again ? checkpoint(f, u) : f(u)).sum(), t), big),
      );
    expect(plan(true).filter((op) => op === 'exp').length).toBe(2);
    expect(plan(false).filter((op) => op === 'exp').length).toBe(1);
  });
});
