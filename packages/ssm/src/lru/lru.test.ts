import { key, tensor } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { lru, lruScan } from './index.js';
import { lruNaive } from './naive.js';

const [H, N] = [3, 4];

conformance(lru, {
  small: { dModel: 4, stateDim: 3 },
  learn: { dModel: 16, stateDim: 16, maxPhase: Math.PI },
  core: {
    inputs: ({ B, T, random }) => ({
      u: random.normal([B, T, H]),
      nu: random.normal([N]),
      theta: random.normal([N]),
      gammaLog: random.normal([N], { std: 0.3 }),
      Bre: random.normal([N, H]),
      Bim: random.normal([N, H]),
      Cre: random.normal([H, N]),
      Cim: random.normal([H, N]),
      D: random.normal([H]),
      hre: random.normal([B, N]),
      him: random.normal([B, N]),
    }),
    op({ u, Bre, Bim, Cre, Cim, hre, him, nu, theta, gammaLog, D }) {
      const system = { nu, theta, gammaLog, B: { re: Bre, im: Bim }, C: { re: Cre, im: Cim }, D };
      const [y, h] = lruScan(u, system, { h0: { re: hre, im: him } });
      return { y, hre: h.re, him: h.im };
    },
    naive: (arrays) => {
      const data: Record<string, ArrayLike<number>> = Object.fromEntries(
        Object.entries(arrays).map(([k, v]) => [k, v.data]),
      );
      const [Bt, T] = arrays['u'].shape;
      return lruNaive(data, { Bt, T, H, N });
    },
  },
});

test('init: eigenvalues in the ring, states as large as inputs', async () => {
  const { system } = lru({ dModel: 8, stateDim: 400, rMin: 0.9, rMax: 0.999, maxPhase: 0.3 }).init(key(0));
  const radius = [...(await system.nu.exp().neg().exp().data())];
  const angle = [...(await system.theta.exp().data())];
  const gamma = [...(await system.gammaLog.exp().data())];
  radius.forEach((r, i) => {
    expect(r).toBeGreaterThan(0.8999);
    expect(r).toBeLessThan(0.9991);
    expect(gamma[i]).toBeCloseTo(Math.sqrt(1 - r * r), 4);
  });
  expect(Math.max(...angle)).toBeLessThan(0.3);
  expect(Math.max(...angle)).toBeGreaterThan(0.28);
  expect(() => lru({ dModel: 4, rMin: 1 })).toThrow('lru: 0 ≤ rMin < rMax ≤ 1');
  expect(() => lruScan(tensor([[[1, 2]]]), system)).toThrow('lruScan: u must be [B, T, H]');
});
