import { cpu, ones, zeros } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import { expect, test } from 'vitest';
import { deltaRule, deltaScan } from './index.js';
import { deltaRuleNaive } from './naive.js';

const [H, K, V] = [2, 3, 4];
const f32 = { device: cpu(), dtype: 'f32' } as const;

conformance(deltaRule, {
  small: { dModel: 4, numHeads: 2, keyDim: 3, valueDim: 2, chunkSize: 4, normEps: 0.1, convWidth: 3 },
  learn: { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, K]),
      k: random.normal([B, T, H, K], { std: 0.5 }),
      v: random.normal([B, T, H, V]),
      beta: random.uniform([B, T, H]),
      S0: random.normal([B, H, K, V]),
    }),
    op({ q, k, v, beta, S0 }) {
      const [o, state] = deltaScan(q, k, v, beta, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ q, k, v, beta, S0 }) {
      const [B, T] = q.shape;
      const arrays = { q: q.data, k: k.data, v: v.data, beta: beta.data, S0: S0.data };
      return deltaRuleNaive(arrays, { B, T, H, K, V });
    },
  },
});

test('with rate 0 the memory stays as it was, with 1 it holds the last value of a key', async () => {
  const random = hostRandom(2);
  const [q, v] = [
    [1, 5, 1, 2],
    [1, 5, 1, 3],
  ].map((s) => toTensor(random.normal(s), f32));
  const k = toTensor({ data: Float64Array.from([1, 0, 0, 1, 1, 0, 1, 0, 0, 1]), shape: [1, 5, 1, 2] }, f32);
  const initial = toTensor(random.normal([1, 1, 2, 3]), f32);
  const [, kept] = deltaScan(q, k, v, zeros([1, 5, 1]), { initial });
  expect((await toHost(kept)).data).toEqual((await toHost(initial)).data);
  const [, replaced] = deltaScan(q, k, v, ones([1, 5, 1]), { initial });
  const values = (await toHost(v)).data; // the last of key 0 is that of position 3, of key 1 that of 4
  (await toHost(replaced)).data.forEach((x, i) => expect(x).toBeCloseTo(values[9 + i], 6));
});
