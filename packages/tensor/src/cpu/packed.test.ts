import { expect, test } from 'vitest';
import * as s from '../index.js';

const [K, N] = [180, 203];

test('a matrix that rows are multiplied with again and again is packed once, and freed with it', async () => {
  const device = s.createCpu({ poison: true });
  const random = (seed: number, shape: number[]): s.Tensor => s.normal(s.key(seed, { device }), shape);
  const row = s.compile((x: s.Tensor, w: s.Tensor) => s.matmul(x, w.transpose()));
  const x = random(1, [2, K]);
  const first = random(2, [N, K]);
  const second = random(3, [N, K]);
  await Promise.all([x, first, second].map((t) => t.realize()));
  const panel = 4 * K * 8 * Math.ceil(N / 8);
  for (const w of [first, second]) {
    const eager = s.scope(() => s.matmul(x, w.transpose()));
    const want = [...(await eager.data())];
    const before = device.memory().bytes;
    const used: number[] = [];
    for (let i = 0; i < 5; i++) {
      const y = row(x, w);
      expect([...(await y.data())]).toEqual(want);
      y.dispose();
      used.push(device.memory().bytes - before);
    }
    // The third run packs; the ones before and after it leave nothing behind.
    expect(used).toEqual([0, 0, panel, panel, panel]);
    w.dispose();
    expect(device.memory().bytes).toBe(before - 4 * N * K);
  }
  row.dispose();
});

test('a matrix that a plan writes into is never packed', async () => {
  const device = s.createCpu({ poison: true });
  const step = s.compile(
    (x: s.Tensor, w: s.Tensor): [s.Tensor, s.Tensor] => [s.matmul(x, w.transpose()), w.add(1)],
    { donate: [1] },
  );
  const x = s.ones([1, K], { device });
  let w = s.zeros([N, K], { device });
  for (let i = 0; i < 6; i++) {
    const [y, next] = step(x, w);
    expect([...new Set(await y.data())]).toEqual([i * K]);
    w = next;
    y.dispose();
  }
});
