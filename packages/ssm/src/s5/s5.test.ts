import { key, normal } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { s5, s5Convolution, s5Scan } from './index.js';
import { s5Naive } from './naive.js';

const [H, P] = [3, 4];

conformance(s5, {
  small: { dModel: 4, stateDim: 8, blocks: 2 },
  learn: { dModel: 16, stateDim: 32, dtMax: 1 },
  core: {
    inputs: ({ B, T, random }) => ({
      u: random.normal([B, T, H]),
      re: random.uniform([P], { low: -2, high: -0.1 }),
      im: random.normal([P], { std: 3 }),
      logStep: random.uniform([P], { low: -4, high: -1 }),
      Bre: random.normal([P, H]),
      Bim: random.normal([P, H]),
      Cre: random.normal([H, P]),
      Cim: random.normal([H, P]),
      D: random.normal([H]),
      hre: random.normal([B, P]),
      him: random.normal([B, P]),
    }),
    op({ u, re, im, logStep, Bre, Bim, Cre, Cim, D, hre, him }) {
      const system = { lambda: { re, im }, logStep, B: { re: Bre, im: Bim }, C: { re: Cre, im: Cim }, D };
      const [y, h] = s5Scan(u, system, { h0: { re: hre, im: him } });
      return { y, hre: h.re, him: h.im };
    },
    naive: (arrays) => {
      const data: Record<string, ArrayLike<number>> = Object.fromEntries(
        Object.entries(arrays).map(([k, v]) => [k, v.data]),
      );
      const [Bt, T] = arrays['u'].shape;
      return s5Naive(data, { Bt, T, H, P });
    },
  },
});

test.each(['zoh', 'bilinear'] as const)('%s: the convolution is the scan', async (discretization) => {
  const { system } = s5({ dModel: 5, stateDim: 8 }).init(key(1), { dtype: 'f64' });
  for (const T of [1, 2, 33, 100]) {
    const u = normal(key(T), [2, T, 5], { dtype: 'f64' });
    const y = s5Scan(u, system, { discretization })[0];
    const difference = s5Convolution(u, system, { discretization }).sub(y).abs().max();
    expect(await difference.item()).toBeLessThan(1e-12);
  }
});

test('twice the step size sees half the samples', async () => {
  const { system } = s5({ dModel: 2, stateDim: 4 }).init(key(2), { dtype: 'f64' });
  // A constant input in steps of Δ and, half as many, in steps of 2 Δ leads to the same state.
  const u = normal(key(3), [1, 1, 2], { dtype: 'f64' });
  const [, fine] = s5Scan(u.broadcastTo([1, 8, 2]).contiguous(), system);
  const [, coarse] = s5Scan(u.broadcastTo([1, 4, 2]).contiguous(), system, { stepRescale: 2 });
  expect(await fine.re.sub(coarse.re).abs().max().item()).toBeLessThan(1e-12);
  expect(() => s5({ dModel: 4, stateDim: 6, blocks: 2 })).toThrow('blocks must divide stateDim / 2 = 3');
});
