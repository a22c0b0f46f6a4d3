import type { Tensor } from '@seq/tensor';
import { compile, createCpu, explain, key, tensor, uniform, valueAndGrad } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { finishedOp } from '@seq/tensor/engine';
import type { GpuVariant, Op } from '@seq/tensor/engine';
import { tensorKernels } from './kernels/index.js';
import { besideDevice, floorTestDevice, random, testDevice } from './testkit.js';

type Body = (...xs: Tensor[]) => Tensor | readonly Tensor[];

/** Runs a compiled function on WebGPU and the function itself on the CPU, and counts the plan's kernels. */
async function both(f: Body, shapes: readonly (readonly number[])[]): Promise<number> {
  await agree(f, shapes, await floorTestDevice());
  return agree(f, shapes, await testDevice());
}

async function agree(
  f: Body,
  shapes: readonly (readonly number[])[],
  gpu: Tensor['device'],
): Promise<number> {
  const data = shapes.map((s, i) => {
    const next = random(i + 1);
    return Float32Array.from({ length: s.reduce((a, b) => a * b, 1) }, () => next() * 2 - 1);
  });
  const on = (device: Tensor['device']): Tensor[] =>
    data.map((d, i) => tensor(d, { device }).reshape([...shapes[i]]));
  const compiled = compile((...xs: Tensor[]) => [f(...xs)].flat());
  const theirs = [f(...on(createCpu()))].flat();
  const inputs = on(gpu);
  for (let round = 0; round < 2; round++) {
    const ours = compiled(...inputs);
    for (const [i, t] of theirs.entries()) {
      const [a, b] = [await ours[i].data(), await t.data()];
      expect(a.length).toBe(b.length);
      a.forEach((v, k) => expect(Math.abs(v - b[k])).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(b[k]))));
    }
  }
  const { runs } = explain(compiled, ...inputs);
  compiled.dispose();
  return runs;
}

describe('a plan', () => {
  test('runs a chain of element-by-element operations as one kernel, numbers among them', async () => {
    expect(
      await both(
        (x, y) => x.mul(2).add(y).sigmoid().mul(x).sub(0.5),
        [
          [33, 7],
          [33, 7],
        ],
      ),
    ).toBe(1);
  });

  test('lets operands broadcast, repeat and be views', async () => {
    expect(await both((x, b) => x.add(b).relu().mul(x.add(1)), [[33, 8], [8]])).toBe(1);
    expect(
      await both(
        (x, b) => x.transpose().mul(3).add(b),
        [
          [5, 12],
          [12, 5],
        ],
      ),
    ).toBe(1);
  });

  test('computes nothing twice: what others read stays a result', async () => {
    const f: Body = (x) => {
      const s = x.exp();
      return [s.add(1), s.sum()];
    };
    expect(await both(f, [[9, 9]])).toBe(2);
    const g: Body = (x) => {
      const s = x.exp();
      return [s.add(1), s];
    };
    expect(await both(g, [[9, 9]])).toBe(1);
  });

  test('keeps a diamond in one kernel, and two that need each other apart', async () => {
    expect(
      await both(
        (x) => {
          const s = x.tanh();
          return s.mul(s).add(s);
        },
        [[40]],
      ),
    ).toBe(1);
    // The sum stands between the two chains.
    expect(
      await both(
        (x) => {
          const s = x.mul(2);
          return s.exp().div(s.exp().sum());
        },
        [[40]],
      ),
    ).toBeLessThanOrEqual(4);
  });

  test('fuses what gradients are made of', async () => {
    const f: Body = (x, w) => {
      const [loss, grads] = valueAndGrad((p: Tensor[]) => p[0].mul(p[1]).silu().square().mean(), [x, w]);
      return [loss, ...grads];
    };
    expect(await both(f, [[21, 5], [5]])).toBeLessThanOrEqual(7);
  });

  test.each([
    ['tiles and blocks', 40, 72, 24],
    ['odd sizes', 37, 21, 13],
    ['one row', 1, 96, 520],
    ['few columns', 70, 3, 33],
    ['a long sum', 9, 16, 1200],
  ])('finishes a product with what follows it: %s', async (_, M, N, K) => {
    const shapes = [[M, K], [N, K], [N], [M, N], [M, 1]];
    const dense: Body = (x, w, b) => x.matmul(w.transpose()).add(b);
    expect(await both(dense, shapes)).toBe(1);
    const residual: Body = (x, w, b, r) => r.add(x.matmul(w.transpose()).mul(0.5).add(b).tanh());
    expect(await both(residual, shapes)).toBe(1);
    // What a backward pass needs stays a result beside the one that goes on.
    const kept: Body = (x, w, b, _r, s) => {
      const u = x.matmul(w.transpose()).add(b);
      return [u.gelu().mul(s), u];
    };
    expect(await both(kept, shapes)).toBe(1);
    const turned: Body = (x, w, _b, r) => r.gt(0).where(w.matmul(x.transpose()).transpose(), -2).add(r);
    await both(turned, shapes);
  });

  test('finishes products by the designs for GPUs, whole and cut along K', async () => {
    const { variants } = tensorKernels().get(finishedOp as Op)!;
    const gpu = variants
      .filter((v) => v.name === 'skinny' || v.name === 'tiles')
      .map((v): GpuVariant<unknown> => ({
        name: v.name,
        supports: (call, limits) => v.supports(call, { ...limits, software: false }),
        plan: (call, limits) => v.plan(call, { ...limits, software: false }),
      }));
    expect(gpu.length).toBe(2);
    const device = await besideDevice({
      kernels: new Map([[finishedOp as Op, { strided: true, variants: gpu }]]),
    });
    const dense: Body = (x, w, b, r) => {
      const u = x.matmul(w.transpose()).add(b);
      return [r.add(u.tanh()), u];
    };
    for (const [M, N, K] of [
      [65, 36, 20],
      [40, 33, 1100],
      [1, 40, 1100],
      [3, 24, 512],
    ]) {
      const { dispatches } = device.counters;
      expect(await agree(dense, [[M, K], [N, K], [N], [M, N]], device)).toBe(1);
      expect(device.counters.dispatches - dispatches).toBe(K > 500 ? 4 : 2); // two rounds
    }
    device.dispose();
  });

  test('finishes batched products through other shapes, and leaves alone what others read', async () => {
    const shapes = [
      [2, 3, 10, 8],
      [2, 3, 12, 8],
      [10, 12],
      [2, 30, 12],
    ];
    const scores: Body = (q, k, m) => m.gt(0).where(q.matmul(k.transpose([0, 1, 3, 2])).mul(0.3), -1e30);
    expect(await both(scores, shapes)).toBe(2); // the mask is small, and a kernel of its own
    const reshaped: Body = (q, k, _m, r) =>
      q
        .matmul(k.transpose([0, 1, 3, 2]))
        .reshape([2, 30, 12])
        .add(r);
    expect(await both(reshaped, shapes)).toBe(1);
    const shared: Body = (q, k) => {
      const s = q.matmul(k.transpose([0, 1, 3, 2]));
      return [s.exp(), s.sum(-1)];
    };
    expect(await both(shared, shapes)).toBe(3);
    // Two products, one sum: the second goes on with the first.
    const two: Body = (q, k) =>
      q.matmul(k.transpose([0, 1, 3, 2])).add(k.matmul(q.transpose([0, 1, 3, 2])).transpose([0, 1, 3, 2]));
    expect(await both(two, shapes)).toBe(2);
  });

  test('finishes a product in the memory of a donated residual', async () => {
    for (const device of [await testDevice(), await floorTestDevice()]) {
      const next = random(5);
      const numbers = (n: number): number[] => Array.from({ length: n }, () => next() - 0.5);
      const [a, b, r] = [numbers(16 * 20), numbers(20 * 12), numbers(16 * 12)];
      const step = compile((x: Tensor, w: Tensor, y: Tensor) => y.sub(x.matmul(w).mul(2)), { donate: [2] });
      const y = tensor(r, { shape: [16, 12], device });
      const w = tensor(b, { shape: [20, 12], device });
      const plan = step.plan(tensor(a, { shape: [16, 20], device }), w, y);
      expect([plan.dispatches, plan.outputBytes]).toEqual([1, 0]);
      const out = await step(tensor(a, { shape: [16, 20], device }), w, y).data();
      out.forEach((v, i) => {
        let want = r[i];
        for (let k = 0; k < 20; k++) want -= 2 * a[Math.floor(i / 12) * 20 + k] * b[k * 12 + (i % 12)];
        expect(v).toBeCloseTo(want, 5);
      });
      step.dispose();
    }
  });

  test('respects random numbers, flags and integers', async () => {
    const f: Body = (x) =>
      x
        .gt(0)
        .and(x.lt(0.5))
        .where(x, -1)
        .mul(uniform(key(3, { device: x.device }), [6, 6]));
    await both(f, [[6, 6]]);
  });

  test('chains go on through other shapes of the same elements', async () => {
    const through: Body = (x, b, r) => x.mul(2).add(b).reshape([3, 20]).add(r).exp();
    expect(
      await both(through, [
        [3, 4, 5],
        [4, 5],
        [3, 20],
      ]),
    ).toBe(1);
    // A bias along the last axis becomes one that repeats along rows twice as long: no strides say so.
    const apart: Body = (x, b) => x.mul(2).add(b).reshape([3, 10]).exp();
    expect(await both(apart, [[6, 5], [5]])).toBe(2);
    const both2: Body = (x, r) => {
      const y = x.exp().reshape([8, 3]);
      return [y, y.add(r).reshape([24]).mul(3)];
    };
    expect(
      await both(both2, [
        [2, 4, 3],
        [8, 3],
      ]),
    ).toBe(1);
  });
});
