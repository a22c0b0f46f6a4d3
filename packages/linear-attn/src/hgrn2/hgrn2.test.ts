import { conformance } from '@seq/testing';
import { hgrn2, hgrn2Scan } from './index.js';
import { hgrn2Naive } from './naive.js';

const [H, K, V] = [2, 3, 4];

conformance(hgrn2, {
  small: { dModel: 4, numHeads: 2, keyDim: 3, valueDim: 2, chunkSize: 4, normEps: 0.1 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, K]),
      v: random.normal([B, T, H, V]),
      g: random.uniform([B, T, H, K], { low: -2, high: 0 }),
      S0: random.normal([B, H, K, V]),
    }),
    op({ q, v, g, S0 }) {
      const [o, state] = hgrn2Scan(q, v, g, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ q, v, g, S0 }) {
      const [B, T] = q.shape;
      return hgrn2Naive({ q: q.data, v: v.data, g: g.data, S0: S0.data }, { B, T, H, K, V });
    },
  },
});

conformance(hgrn2, {
  name: 'hgrn2 with a lower bound',
  small: { dModel: 4, keyDim: 3, valueDim: 2, chunkSize: 4, normEps: 0.1, lowerBound: 0.3 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16, lowerBound: 0.1 },
});
