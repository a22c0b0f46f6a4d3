import { conformance } from '@seq/testing';
import { simpleGla, simpleGlaScan } from './index.js';
import { simpleGlaNaive } from './naive.js';

const [H, K, V] = [2, 3, 4];

conformance(simpleGla, {
  small: { dModel: 4, numHeads: 2, keyDim: 3, valueDim: 2, chunkSize: 4, normEps: 0.1 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, K]),
      k: random.normal([B, T, H, K]),
      v: random.normal([B, T, H, V]),
      g: random.uniform([B, T, H], { low: -2, high: 0 }),
      S0: random.normal([B, H, K, V]),
    }),
    op({ q, k, v, g, S0 }) {
      const [o, state] = simpleGlaScan(q, k, v, g, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ q, k, v, g, S0 }) {
      const [B, T] = q.shape;
      const arrays = { q: q.data, k: k.data, v: v.data, g: g.data, S0: S0.data };
      return simpleGlaNaive(arrays, { B, T, H, K, V });
    },
  },
});
