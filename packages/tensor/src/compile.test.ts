import { describe, expect, test } from 'vitest';
import * as s from './index.js';
import { expectClose, list, sample } from './testkit.js';

const mlp = (p: { a: s.Tensor; b: s.Tensor }, x: s.Tensor, y: s.Tensor): s.Tensor =>
  x.matmul(p.a).tanh().matmul(p.b).sub(y).square().mean();

describe('compile', () => {
  test('equals the plain call, for each shape a plan of its own', async () => {
    const device = s.createCpu();
    const f = s.compile((x: s.Tensor, scale: number) => ({ y: x.softmax().mul(scale), parts: [x.sum(), x] }));
    for (const n of [3, 5, 3]) {
      for (const scale of [1, 2]) {
        const x = s.arange(0, n, 1, { device });
        const out = f(x, scale);
        expect(await list(out.y)).toEqual(await list(x.softmax().mul(scale)));
        expect(await list(out.parts[1])).toEqual(await list(x));
      }
    }
    expect(device.counters.plans).toBe(4);
    expect(device.counters.replays).toBe(6);
  });

  test('a training step updates parameters in place; a thousand of them leave tensors and bytes as they were', async () => {
    const device = s.createCpu();
    const [x, y] = [sample([16, 4], { device }), sample([16, 2], { seed: 2, device })];
    let p = { a: sample([4, 8], { seed: 3, device }), b: sample([8, 2], { seed: 4, device }) };
    let m = s.treeMap((t) => s.zerosLike(t), p);
    const step = s.compile(
      (p: { a: s.Tensor; b: s.Tensor }, m: typeof p, lr: s.Tensor) => {
        const [loss, g] = s.valueAndGrad(mlp, p, x, y);
        const next = s.treeMap((v, d) => v.mul(0.9).add(d), m, g);
        return [s.treeMap((v, d) => v.sub(d.mul(lr)), p, next), next, loss] as const;
      },
      { donate: [0, 1] },
    );
    const lr = s.tensor(0.05, { dtype: 'f64', device });
    let first = NaN;
    let last = NaN;
    let settled: { memory: s.DeviceMemory; allocations: number } | null = null;
    for (let i = 0; i < 1000; i++) {
      const [next, moments, loss] = step(p, m, lr);
      [p, m] = [next, moments];
      last = await loss.item();
      loss.dispose();
      if (i === 0) first = last;
      if (i === 9) settled = { memory: device.memory(), allocations: device.counters.allocations };
    }
    expect(last).toBeLessThan(0.5 * first);
    expect(device.memory().tensors).toBe(settled!.memory.tensors);
    expect(device.memory().bytes).toBe(settled!.memory.bytes);
    expect(device.counters.allocations).toBe(settled!.allocations);
    // Parameters and moments take over their own memory, so only the loss is new.
    expect(step.plan(p, m, lr).outputBytes).toBe(8);
  });

  test('a thousand uncompiled steps leave tensors and bytes as they were', async () => {
    const device = s.createCpu();
    const [x, y] = [sample([16, 4], { device }), sample([16, 2], { seed: 2, device })];
    let p = { a: sample([4, 8], { seed: 3, device }), b: sample([8, 2], { seed: 4, device }) };
    let settled: s.DeviceMemory | null = null;
    for (let i = 0; i < 1000; i++) {
      const next = s.scope(() => {
        const [, g] = s.valueAndGrad(mlp, p, x, y);
        return s.treeMap((v, d) => v.sub(d.mul(0.1)), p, g);
      });
      s.disposeTree(p);
      p = next;
      if (i % 10 === 0) await p.a.realize();
      if (i === 10) settled = device.memory();
    }
    await p.a.realize();
    expect(device.memory().tensors).toBe(settled!.tensors);
    expect(device.memory().bytes).toBe(settled!.bytes);
  });

  test('peak bytes are known before the run, to the byte', async () => {
    const device = s.createCpu();
    const [x, y] = [s.zeros([64, 32], { device }), s.zeros([64, 8], { device })];
    const p = { a: s.zeros([32, 128], { device }), b: s.zeros([128, 8], { device }) };
    for (const t of [x, y, p.a, p.b]) await t.realize();
    const f = s.compile((q: typeof p, x: s.Tensor, y: s.Tensor) => s.valueAndGrad(mlp, q, x, y));
    const plan = f.plan(p, x, y);
    device.resetPeak();
    const [loss, g] = f(p, x, y);
    await loss.item();
    expect(device.memory().peakBytes).toBe(plan.peakBytes);
    s.disposeTree([loss, g]);
    // Liveness reuses memory: less than what all results of all kernels would take.
    const all = plan.kernels.reduce((n, k) => n + k.count * k.shape.reduce((a, b) => a * b, 4), 0);
    expect(plan.temporaryBytes).toBeLessThan(0.8 * all);
    expect(plan.matmulFlops).toBe(
      2 * (64 * 32 * 128 + 64 * 128 * 8) + 2 * (64 * 128 * 8 * 2 + 64 * 32 * 128),
    );
    expect(plan.toString()).toMatch(
      /matmul +\[64, 128\] +×2[\s\S]*peak \d+ bytes: \d+ arguments, \d+ results, \d+ temporaries$/,
    );
  });

  test('a plan beyond the budget is refused before anything runs, naming the largest results', () => {
    const device = s.createCpu();
    const f = s.compile((x: s.Tensor) => x.expandDims(0).sub(x.expandDims(1)).square().sum(), {
      memoryBudget: 10_000,
      name: 'pairs',
    });
    const x = s.zeros([100], { device });
    expect(() => f(x)).toThrow(
      /^pairs: the plan must fit memoryBudget = 10000 bytes, it needs \d+ \(400 arguments, 4 results, \d+ temporaries\)\. Shrink the batch or the length, or use checkpoint\(\)\. Largest: sub \[100, 100\] 40000 bytes \(.*compile\.test\.ts:\d+/,
    );
    expect(device.counters.kernels).toBe(0);
    expect(s.explain((x: s.Tensor) => x.exp(), x).flops).toBe(100);
  });

  test('donated arguments die; shared ones are copied, never overwritten', async () => {
    const device = s.createCpu();
    const f = s.compile((x: s.Tensor, y: s.Tensor) => [x.add(y), x.mul(2)], { donate: [0], name: 'update' });
    const x = s.tensor([1, 2], { device });
    const fork = s.cloneTree(x);
    const [a] = f(x, fork);
    expect(await list(a)).toEqual([2, 4]);
    expect(await list(fork)).toEqual([1, 2]);
    expect(() => x.add(1)).toThrow(
      'update: this tensor was moved into an earlier call (donate). Use the value that the call returned, or cloneTree() before it.',
    );
    try {
      x.add(1);
    } catch (e) {
      expect(s.SeqError.is(e, 'state-moved')).toBe(true);
    }
  });

  test('memory that only temporaries take over is not taken from a fork either', async () => {
    const device = s.createCpu();
    const f = s.compile((x: s.Tensor) => x.mul(2).exp().sum(), { donate: [0] });
    const x = s.tensor([1, 2], { device });
    const fork = s.cloneTree(x);
    await f(x).item();
    expect(await list(fork)).toEqual([1, 2]);
  });

  test('a call that fails after it overwrote an argument kills it instead of leaving it changed', async () => {
    const device = s.createCpu();
    const y = s.tensor([1, 2], { device });
    const f = s.compile((x: s.Tensor, i: s.Tensor) => x.mul(2).add(s.gather(y, i)), {
      donate: [0],
      name: 'late',
    });
    const x = s.tensor([1, 2], { device });
    const fork = s.tensor([1, 2], { device });
    const bad = s.tensor([0, 5], { dtype: 'i32', device });
    expect(() => f(x, bad)).toThrow('gather: index must be in [0, 1], got 5');
    expect(() => x.add(1)).toThrow(
      'late: this tensor was moved into a call that failed after it had begun to overwrite it.',
    );
    const shared = s.cloneTree(fork);
    expect(() => f(fork, bad)).toThrow('gather');
    expect(await list(fork)).toEqual([1, 2]);
    expect(await list(shared)).toEqual([1, 2]);
    expect(await bad.data()).toHaveLength(2);
  });

  test('a call that fails leaves donated arguments alive and unchanged', async () => {
    const device = s.createCpu();
    const f = s.compile((x: s.Tensor, i: s.Tensor) => x.add(s.gather(x, i)), { donate: [0] });
    const x = s.tensor([1, 2], { device });
    expect(() => f(x, s.tensor([0, 5], { dtype: 'i32', device }))).toThrow(
      'gather: index must be in [0, 1], got 5',
    );
    expect(await list(x)).toEqual([1, 2]);
    expect(await list(f(x, s.tensor([1, 0], { dtype: 'i32', device })))).toEqual([3, 3]);
  });

  test('plain values make plans of their own, functions are refused', async () => {
    const device = s.createCpu();
    const f = s.compile((x: s.Tensor, o: { power: number; label?: string }) => x.pow(o.power), {
      name: 'raise',
    });
    const x = s.tensor([3], { device });
    for (const power of [1, 2, Infinity, 2]) expect(await list(f(x, { power }))).toEqual([3 ** power]);
    expect(device.counters.plans).toBe(3);
    const g = s.compile((x: s.Tensor, h: (v: s.Tensor) => s.Tensor) => h(x), { name: 'apply' });
    expect(() => g(x, s.exp)).toThrow(
      'apply: arguments must be tensors and plain values, got a function at "1". Close over it instead.',
    );
  });

  test('closures are held; under a gradient the function is simply called', async () => {
    const w = sample([3]);
    const f = s.compile((x: s.Tensor) => x.mul(w).sum());
    const x = sample([3], { seed: 2 });
    expectClose([await f(x).item()], [await x.mul(w).sum().item()], 1e-15);
    expectClose(
      await list(s.grad((v: s.Tensor) => f(v).square(), x)),
      await list(w.mul(x.mul(w).sum()).mul(2)),
      1e-14,
    );
    const before = s.cpu().memory().bytes;
    f.dispose();
    expect(s.cpu().memory().bytes).toBeLessThan(before);
  });

  test('tensors made inside are constants of the plan, in loops and their gradients too', async () => {
    const f = s.compile((x: s.Tensor) =>
      s.grad((v: s.Tensor) => {
        const [h] = s.scan(
          (h: s.Tensor, u: s.Tensor): [s.Tensor, null] => [
            s.scope(() => h.mul(s.tensor([2, 3])).add(u)),
            null,
          ],
          s.zeros([2]),
          v,
        );
        return s.scope(() => h.mul(s.tensor([1, 10]))).sum();
      }, x),
    );
    const x = s.ones([3, 2]);
    for (let i = 0; i < 3; i++)
      expect(await f(x).toArray()).toEqual([
        [4, 90],
        [2, 30],
        [1, 10],
      ]);
  });

  test('random keys and step numbers are data: one plan', async () => {
    const device = s.createCpu();
    const f = s.compile((k: s.Key, step: s.Tensor) => s.uniform(s.foldIn(k, step), [2]));
    const k = s.key(1, { device });
    const draws = [0, 1, 2].map((i) => f(k, s.tensor(i, { dtype: 'i32', device })));
    expect(new Set((await Promise.all(draws.map(list))).map(String)).size).toBe(3);
    expect(device.counters.plans).toBe(1);
  });

  test('recycled memory full of NaN changes nothing', async () => {
    const device = s.createCpu({ poison: true });
    const run = async (d: s.CpuDevice): Promise<number[]> => {
      const f = s.compile((x: s.Tensor) => {
        const [h, ys] = s.scan(
          (h: s.Tensor, v: s.Tensor): [s.Tensor, s.Tensor] => {
            const n = h.mul(0.5).add(v).tanh();
            return [n, n.softmax()];
          },
          s.zeros([4], { device: d }),
          x,
        );
        return s.concat([h.expandDims(0), ys, s.tril(x.slice(0, 0, 4)), s.pad(x, 0, 1, 0).slice(0, 0, 4)]);
      });
      const x = s.uniform(s.key(3, { device: d }), [6, 4]);
      await list(f(x));
      return list(f(x));
    };
    expect(await run(device)).toEqual(await run(s.createCpu()));
  });
});
