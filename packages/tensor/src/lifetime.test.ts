import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import * as s from './index.js';
import { list } from './testkit.js';

describe('lifetimes', () => {
  test('a scope drops what it does not return; inner results belong to the outer scope', async () => {
    const device = s.createCpu();
    let stray: s.Tensor | null = null;
    const y = s.scope(() => {
      const x = s.ones([4], { device });
      stray = x.mul(3);
      const inner = s.scope(() => [x.add(1), x.add(2)]);
      return { y: inner[0].add(stray) };
    });
    expect(device.memory().tensors).toBe(6); // y and what it still waits for: x, 3, 3x, 1, x + 1
    expect(await list(y.y)).toEqual([5, 5, 5, 5]);
    expect(device.memory()).toMatchObject({ tensors: 1, bytes: 16 });
    expect(() => stray!.add(1)).toThrow(
      'add: this tensor [4] was disposed. Return it from the scope that made it, or keep() it.',
    );
    y.y.dispose();
    y.y.dispose();
    expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
  });

  test('keep survives, using disposes, an asynchronous scope is refused', async () => {
    const device = s.createCpu();
    let kept: s.Tensor | null = null;
    s.scope(() => {
      kept = s.keep(s.ones([1], { device }));
    });
    expect(await kept!.item()).toBe(1);
    {
      using t = s.zeros([8], { device });
      await t.realize();
      expect(device.memory().bytes).toBe(4 + 32);
    }
    expect(device.memory().bytes).toBe(4);
    expect(() => s.scope(async () => {})).toThrow(
      'scope: the function must not be asynchronous. Await outside, and dispose() by hand there.',
    );
  });

  test('results that nobody needs are never computed', async () => {
    const device = s.createCpu();
    const x = s.ones([4], { device });
    s.scope(() => {
      x.exp().log().sin();
    });
    await x.realize();
    expect(device.counters.kernels).toBe(1);
  });

  test('moved handles name the remedy; clones live on', async () => {
    const x = s.tensor([1]);
    const fork = s.cloneTree({ x });
    const moved = s.move({ x }, 'gru.step: this state was already used.');
    expect(() => x.add(1)).toThrow('gru.step: this state was already used.');
    expect(await list(moved.x.add(fork.x))).toEqual([2]);
  });

  test('an error inside a gradient or a plan leaves nothing alive', async () => {
    const device = s.createCpu();
    const x = s.ones([2, 2], { device });
    await x.realize();
    const before = device.memory();
    const bad = (p: s.Tensor): s.Tensor => p.mul(2).exp().reshape([3]).sum();
    expect(() => s.grad(bad, x)).toThrow('reshape');
    expect(() => s.compile(bad)(x)).toThrow('reshape');
    expect(() => s.checkpoint(() => s.grad(bad, x))).toThrow('reshape');
    await x.realize();
    expect(device.memory().tensors).toBe(before.tensors);
    expect(device.memory().bytes).toBe(before.bytes);
    expect(await list(s.grad((p: s.Tensor) => p.sum(), x))).toEqual([1, 1, 1, 1]);
  });

  test('eager loops gather work and run it in constant memory', async () => {
    const device = s.createCpu();
    let h = s.zeros([16], { device });
    let peak = 0;
    for (let t = 0; t < 10_000; t++) {
      const next = s.scope(() => h.mul(0.9).add(1));
      h.dispose();
      h = next;
      peak = Math.max(peak, device.memory().bytes);
    }
    expect((await list(h))[0]).toBeCloseTo(10, 4);
    expect(peak).toBeLessThanOrEqual(3 * 64);
    expect(device.memory().tensors).toBe(1);
  });

  test('a tracking device names the line that made what is still alive', async () => {
    const device = s.createCpu({ trackLeaks: true });
    const kept = s.ones([3], { device });
    s.scope(() => s.zeros([100], { device }).add(1).sum()).dispose();
    expect(device.leaks()).toMatchObject([{ dtype: 'f32', bytes: 12 }]);
    expect(device.leaks()[0].site).toMatch(/lifetime\.test\.ts:\d+/);
    kept.dispose();
    expect(device.leaks()).toEqual([]);
    expect(() => s.createCpu().leaks()).toThrow('createCpu({ trackLeaks: true })');
  });

  test('what the garbage collector finds late is released', async () => {
    const device = s.createCpu();
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    await (async () => {
      for (let i = 0; i < 50; i++) await s.ones([1000], { device }).realize();
    })();
    for (let i = 0; i < 20 && device.memory().bytes > 0; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(device.memory().bytes).toBeLessThanOrEqual(4000);
  });
});

describe('numerics check', () => {
  test('names the op, the line and the step, in eager work, plans and loops', async () => {
    const device = s.createCpu({ checkNumerics: true });
    const x = s.tensor([1, 0], { device });
    const eager = s.withStep(device, 12, () => {
      const y = x.sub(1).log();
      device.flush();
      return y;
    });
    await expect(eager.data()).rejects.toThrow(
      /^log: values must be finite, got NaN at element 1 of \[2\]\. Recorded at .*lifetime\.test\.ts:\d+:\d+\)?, step 12\./,
    );
    const f = s.compile(
      (v: s.Tensor) =>
        s.scan(
          (h: s.Tensor, u: s.Tensor): [s.Tensor, null] => [h.sub(u).sqrt(), null],
          s.ones([], { device }),
          v,
        )[0],
    );
    expect(() => s.withStep(device, 'epoch 3', () => f(s.tensor([0, 2], { device })))).toThrow(
      /^sqrt: values must be finite, got NaN .*epoch 3/,
    );
    expect(await s.tensor([-Infinity, 0], { device }).softmax().toArray()).toEqual([0, 1]);
  });
});
