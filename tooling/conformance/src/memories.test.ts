// Memories of different rooms that are the same mechanism.
import { cpu, expandDims, grad, mul, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { simpleGlaScan } from '@seq/linear-attn';
import { ssd } from '@seq/ssm';
import { hostRandom, toTensor } from '@seq/testing';
import { expect, test } from 'vitest';

test('simple GLA with values and log-decays times a step size is state space duality, values and gradients', async () => {
  const f64 = { device: cpu(), dtype: 'f64' } as const;
  const random = hostRandom(1);
  const [B, T, H, N, P] = [2, 21, 2, 3, 4];
  const [keys, queries] = [1, 2].map(() => toTensor(random.normal([B, T, H, N]), f64));
  const operands = {
    x: toTensor(random.normal([B, T, H, P]), f64),
    dt: toTensor(random.uniform([B, T, H], { low: 0.1 }), f64),
    A: toTensor(random.uniform([H], { low: -2, high: -0.1 }), f64),
    initial: toTensor(random.normal([B, H, N, P]), f64),
  };
  type Operands = typeof operands;
  const dual = ({ x, dt, A, initial }: Operands): Tensor[] =>
    ssd(x, dt, A, keys, queries, { initial, chunkSize: 8 });
  const gated = ({ x, dt, A, initial }: Operands): Tensor[] =>
    simpleGlaScan(queries, keys, mul(expandDims(dt, -1), x), mul(dt, A), { initial, scale: 1, chunkSize: 8 });
  const results = (f: (o: Operands) => Tensor[]): Tensor[] => [
    ...f(operands),
    ...Object.values(
      grad((o: Operands) => f(o).reduce((s, y) => s.add(sum(y.tanh())), sum(o.A.mul(0))), operands),
    ),
  ];
  const [want, got] = [results(dual), results(gated)];
  for (const [i, y] of want.entries()) {
    const largest = await y.abs().max().item();
    expect(largest).toBeGreaterThan(0);
    expect((await got[i].sub(y).abs().max().item()) / largest).toBeLessThan(1e-13);
  }
});
