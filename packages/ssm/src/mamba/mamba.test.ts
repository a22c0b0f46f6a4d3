import { conformance } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { mamba, selectiveScan } from './index.js';
import { selectiveScanNaive } from './naive.js';

const [C, N, G] = [6, 3, 2];

const data = (arrays: Record<string, HostArray>): Record<string, ArrayLike<number>> =>
  Object.fromEntries(Object.entries(arrays).map(([name, { data }]) => [name, data]));

conformance(mamba, {
  small: { dModel: 4, stateDim: 3, dtRank: 2 },
  learn: { dModel: 16, stateDim: 8 },
  core: {
    inputs: ({ B, T, random }) => ({
      u: random.normal([B, T, C]),
      delta: random.normal([B, T, C]),
      A: random.uniform([C, N], { low: -4, high: -0.1 }),
      Bs: random.normal([B, T, G, N]),
      Cs: random.normal([B, T, G, N]),
      h0: random.normal([B, C, N]),
      D: random.normal([C]),
      z: random.normal([B, T, C]),
      deltaBias: random.normal([C]),
    }),
    op({ u, delta, A, Bs, Cs, ...options }) {
      const [y, h] = selectiveScan(u, delta, A, Bs, Cs, { ...options, deltaSoftplus: true });
      return { y, h };
    },
    naive: (arrays) =>
      selectiveScanNaive(data(arrays) as Parameters<typeof selectiveScanNaive>[0], {
        B: arrays['u'].shape[0],
        T: arrays['u'].shape[1],
        C,
        N,
        G,
        softplus: true,
      }),
  },
});
