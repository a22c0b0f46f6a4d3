import type { Tensor } from '@seq/tensor';
import { compile, createCpu, explain, key, tensor, uniform, valueAndGrad } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { random, testDevice } from './testkit.js';

type Body = (...xs: Tensor[]) => Tensor | readonly Tensor[];

/** Runs a compiled function on WebGPU and the function itself on the CPU, and counts the plan's kernels. */
async function both(f: Body, shapes: readonly (readonly number[])[]): Promise<number> {
  const gpu = await testDevice();
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
  const { dispatches } = explain(compiled, ...inputs);
  compiled.dispose();
  return dispatches;
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

  test('respects random numbers, flags and integers', async () => {
    const f: Body = (x) =>
      x
        .gt(0)
        .and(x.lt(0.5))
        .where(x, -1)
        .mul(uniform(key(3, { device: x.device }), [6, 6]));
    await both(f, [[6, 6]]);
  });
});
