import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { lightningDecays, retain, retentionDecays, retnet } from './index.js';
import { retnetNaive } from './naive.js';

const [H, K, V] = [2, 4, 3];

conformance(retnet, {
  small: { dModel: 4, numHeads: 2, keyDim: 4, valueDim: 2, chunkSize: 4, normEps: 0.1 },
  learn: { dModel: 16, numHeads: 2, keyDim: 16, valueDim: 16, chunkSize: 16, ropeBase: 10 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, K]),
      k: random.normal([B, T, H, K]),
      v: random.normal([B, T, H, V]),
      S0: random.normal([B, H, K, V]),
    }),
    op({ q, k, v, S0 }) {
      const [o, state] = retain(q, k, v, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ q, k, v, S0 }) {
      const [B, T] = q.shape;
      return retnetNaive({ q: q.data, k: k.data, v: v.data, S0: S0.data }, { B, T, H, K, V });
    },
  },
});

test('decays of the heads', () => {
  expect(retentionDecays(3).map(Math.exp)).toEqual(
    [1 - 1 / 32, 1 - 1 / 64, 1 - 1 / 128].map((x) => expect.closeTo(x, 15)),
  );
  expect(lightningDecays(4, 1, 2)).toEqual([-0, -1, -2, -3]);
});
