import { cpu, zeros } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import { expect, test } from 'vitest';
import { deltaScan } from '../delta-rule/index.js';
import { simpleGlaScan } from '../simple-gla/index.js';
import { gatedDeltaRule, gatedDeltaScan } from './index.js';
import { gatedDeltaRuleNaive } from './naive.js';

const [H, K, V] = [2, 3, 4];
const f64 = { device: cpu(), dtype: 'f64' } as const;

conformance(gatedDeltaRule, {
  small: { dModel: 4, numHeads: 2, keyDim: 3, valueDim: 2, chunkSize: 4, normEps: 0.1, convWidth: 3 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, K]),
      k: random.normal([B, T, H, K], { std: 0.5 }),
      v: random.normal([B, T, H, V]),
      g: random.uniform([B, T, H], { low: -2, high: 0 }),
      beta: random.uniform([B, T, H]),
      S0: random.normal([B, H, K, V]),
    }),
    op({ q, k, v, g, beta, S0 }) {
      const [o, state] = gatedDeltaScan(q, k, v, g, beta, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ q, k, v, g, beta, S0 }) {
      const [B, T] = q.shape;
      const arrays = { q: q.data, k: k.data, v: v.data, g: g.data, beta: beta.data, S0: S0.data };
      return gatedDeltaRuleNaive(arrays, { B, T, H, K, V });
    },
  },
});

test('without decay it is the delta rule, with rate 0 only decay', async () => {
  const random = hostRandom(1);
  const [q, k, v] = [
    [2, 9, H, K],
    [2, 9, H, K],
    [2, 9, H, V],
  ].map((s) => toTensor(random.normal(s, { std: 0.5 }), f64));
  const [g, beta] = [-3, 0].map((low) => toTensor(random.uniform([2, 9, H], { low, high: low + 1 }), f64));
  const initial = toTensor(random.normal([2, H, K, V]), f64);
  const none = zeros([2, 9, H], f64);
  const pairs = [
    [gatedDeltaScan(q, k, v, none, beta, { initial }), deltaScan(q, k, v, beta, { initial })],
    [gatedDeltaScan(q, k, v, g, none, { initial }), simpleGlaScan(q, k, v.zeros(), g, { initial })],
  ];
  for (const [a, b] of pairs)
    for (const i of [0, 1]) expect((await toHost(a[i])).data).toEqual((await toHost(b[i])).data);
});
