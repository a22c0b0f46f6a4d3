import { key, normal } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { hippoLegs } from '../internal/hippo.js';
import { s5, s5Scan } from './index.js';
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

test('init: rates of HiPPO-LegS, B and C in its eigenvectors', async () => {
  const [C, N] = [200, 16];
  const { system } = s5({ dModel: C, stateDim: N, blocks: 2 }).init(key(4), { dtype: 'f64' });
  const half = N / 4;
  const { lambda, V } = hippoLegs(N / 2);
  const [re, im] = [await system.lambda.re.data(), await system.lambda.im.data()];
  for (let p = 0; p < N / 2; p++) {
    expect(re[p]).toBeCloseTo(-0.5, 12);
    expect(im[p]).toBeCloseTo(lambda.im[half + (p % half)], 12);
  }
  // B = V* B₀ with a real B₀ of variance 1 / N: each pair of states brings back 2 Re(V B), and all pairs make B₀.
  const [br, bi] = [await system.B.re.data(), await system.B.im.data()];
  let power = 0;
  for (let block = 0; block < 2; block++)
    for (let n = 0; n < N / 2; n++)
      for (let c = 0; c < C; c++) {
        let sum = 0;
        for (let p = 0; p < half; p++) {
          const [v, b] = [n * (N / 2) + half + p, (block * half + p) * C + c];
          sum += 2 * (V.re[v] * br[b] - V.im[v] * bi[b]);
        }
        power += sum * sum;
      }
  expect(Math.abs(power / C - 1)).toBeLessThan(0.1);
  // C = C₀ V with a complex C₀ of variance 2 / N: its elements have that variance too, V being unitary.
  const size = await system.C.re.square().add(system.C.im.square()).mean().item();
  expect(Math.abs((size * N) / 2 - 1)).toBeLessThan(0.15);
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
