import { cpu, broadcastTo, expandDims } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import { expect, test } from 'vitest';
import { simpleGlaScan } from '../simple-gla/index.js';
import { gla, glaScan } from './index.js';
import { glaNaive } from './naive.js';

const [H, K, V] = [2, 3, 4];
const f64 = { device: cpu(), dtype: 'f64' } as const;

conformance(gla, {
  small: { dModel: 4, numHeads: 2, keyDim: 3, valueDim: 2, rank: 2, chunkSize: 4, normEps: 0.1 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, rank: 4, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, K]),
      k: random.normal([B, T, H, K]),
      v: random.normal([B, T, H, V]),
      g: random.uniform([B, T, H, K], { low: -2, high: 0 }),
      S0: random.normal([B, H, K, V]),
    }),
    op({ q, k, v, g, S0 }) {
      const [o, state] = glaScan(q, k, v, g, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ q, k, v, g, S0 }) {
      const [B, T] = q.shape;
      return glaNaive({ q: q.data, k: k.data, v: v.data, g: g.data, S0: S0.data }, { B, T, H, K, V });
    },
  },
});

test('with equal channels it is simple GLA', async () => {
  const random = hostRandom(1);
  const [q, k, v] = [
    [2, 9, H, K],
    [2, 9, H, K],
    [2, 9, H, V],
  ].map((s) => toTensor(random.normal(s), f64));
  const g = toTensor(random.uniform([2, 9, H], { low: -3, high: 0 }), f64);
  const [one, two] = [
    glaScan(q, k, v, broadcastTo(expandDims(g, -1), [2, 9, H, K])),
    simpleGlaScan(q, k, v, g),
  ];
  for (const i of [0, 1]) expect((await toHost(one[i])).data).toEqual((await toHost(two[i])).data);
});
