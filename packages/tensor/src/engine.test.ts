import { describe, expect, test } from 'vitest';
import * as s from './index.js';

async function arr(t: s.Tensor): Promise<number[]> {
  return [...(await t.data())];
}

describe('tensor', () => {
  test('arithmetic broadcasts and reads back', async () => {
    const a = s.tensor([[1, 2, 3], [4, 5, 6]]);
    expect(await a.add(s.tensor([10, 20, 30])).toArray()).toEqual([[11, 22, 33], [14, 25, 36]]);
    expect(await a.transpose().matmul(a).toArray()).toEqual([[17, 22, 27], [22, 29, 36], [27, 36, 45]]);
    expect(await a.slice(1, 0, 3, 2).sum(0).toArray()).toEqual([5, 9]);
    expect(await a.flip(1).toArray()).toEqual([[3, 2, 1], [6, 5, 4]]);
  });

  test('gradients of a small network', async () => {
    const w = s.tensor([[0.1, -0.2], [0.3, 0.4]], { dtype: 'f64' });
    const x = s.tensor([[1, 2], [3, 4], [5, 6]], { dtype: 'f64' });
    const f = (p: { w: s.Tensor }): s.Tensor => x.matmul(p.w).tanh().square().mean();
    const [loss, g] = s.valueAndGrad(f, { w });
    const base = await loss.item();
    const got = await arr(g.w);
    const w0 = await arr(w);
    for (let i = 0; i < 4; i++) {
      const up = [...w0];
      up[i]! += 1e-6;
      const down = [...w0];
      down[i]! -= 1e-6;
      const at = (v: number[]): Promise<number> => f({ w: s.tensor(v, { shape: [2, 2], dtype: 'f64' }) }).item();
      expect(got[i]).toBeCloseTo(((await at(up)) - (await at(down))) / 2e-6, 8);
    }
    expect(base).toBeGreaterThan(0);
  });

  test('scan equals its unrolled loop, forward and backward, plain and checkpointed', async () => {
    const w = s.tensor([[0.5, -0.3], [0.2, 0.7]], { dtype: 'f64' });
    const xs = s.tensor([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6], [-0.7, 0.8]], { dtype: 'f64' });
    const h0 = s.tensor([[0.3, -0.1]], { dtype: 'f64' });
    const p = { w, xs, h0 };
    const step = (w: s.Tensor) => (h: s.Tensor, x: s.Tensor): [s.Tensor, s.Tensor] => {
      const n = h.matmul(w.transpose()).add(x).tanh();
      return [n, n.mul(h)];
    };
    const looped = (q: typeof p): s.Tensor => {
      let h = q.h0;
      const ys: s.Tensor[] = [];
      for (let t = 0; t < 4; t++) {
        let y: s.Tensor;
        [h, y] = step(q.w)(h, q.xs.at(t));
        ys.push(y);
      }
      return s.stack(ys).sum().add(h.square().sum());
    };
    const scanned = (checkpoint: boolean) => (q: typeof p): s.Tensor => {
      const [h, ys] = s.scan(step(q.w), q.h0, q.xs, { checkpoint });
      return ys.sum().add(h.square().sum());
    };
    const [l0, g0] = s.valueAndGrad(looped, p);
    for (const cp of [false, true]) {
      const [l1, g1] = s.valueAndGrad(scanned(cp), p);
      expect(await l1.item()).toBeCloseTo(await l0.item(), 12);
      for (const k of ['w', 'xs', 'h0'] as const) {
        const [a, b] = [await arr(g0[k]), await arr(g1[k])];
        a.forEach((v, i) => expect(b[i]).toBeCloseTo(v, 12));
      }
      // Second derivatives go through the loop backwards.
      const norm = (f: (q: typeof p) => s.Tensor) => (q: typeof p): s.Tensor => {
        const g = s.grad(f, q);
        return g.w.square().sum().add(g.xs.square().sum());
      };
      const h0g = s.grad(norm(looped), p);
      const h1g = s.grad(norm(scanned(cp)), p);
      for (const k of ['w', 'xs', 'h0'] as const) {
        const [a, b] = [await arr(h0g[k]), await arr(h1g[k])];
        a.forEach((v, i) => expect(b[i]).toBeCloseTo(v, 10));
      }
    }
  });

  test('compile replays, donates and keeps memory constant', async () => {
    const device = s.createCpu();
    const x = s.full([8, 4], 0.5, { device });
    const step = s.compile(
      (p: { w: s.Tensor }, lr: s.Tensor) => {
        const [loss, g] = s.valueAndGrad((q: { w: s.Tensor }) => x.matmul(q.w).tanh().sub(1).square().mean(), p);
        return [{ w: p.w.sub(g.w.mul(lr)) }, loss] as const;
      },
      { donate: [0] },
    );
    let p = { w: s.full([4, 3], 0.1, { device }) };
    const lr = s.tensor(0.5, { device });
    let loss = NaN;
    let after10: s.DeviceMemory | null = null;
    let allocations = 0;
    for (let i = 0; i < 1000; i++) {
      const [next, l] = step(p, lr);
      p = next;
      loss = await l.item();
      l.dispose();
      if (i === 10) {
        after10 = device.memory();
        allocations = device.counters.allocations;
      }
    }
    expect(loss).toBeLessThan(0.02);
    const m = device.memory();
    expect(m.tensors).toBe(after10!.tensors);
    expect(m.bytes).toBe(after10!.bytes);
    // Only the copies that item() makes are new.
    expect(device.counters.allocations).toBe(allocations);
  });
});
