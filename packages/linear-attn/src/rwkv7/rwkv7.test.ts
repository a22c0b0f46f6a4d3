import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { rwkv7, rwkv7Scan, rwkv7Stack } from './index.js';
import { rwkv7Naive } from './naive.js';

const [H, K, V] = [2, 3, 4];
const ranks = { decay: 2, erase: 2, gate: 3, first: 2 };

conformance(rwkv7, {
  small: { dModel: 4, headDim: 2, ranks, chunkSize: 4 },
  learn: { dModel: 16, headDim: 8, ranks, chunkSize: 16 },
  core: {
    inputs: ({ B, T, random }) => ({
      r: random.normal([B, T, H, K]),
      w: random.uniform([B, T, H, K], { low: -0.6, high: 0 }),
      k: random.normal([B, T, H, K]),
      v: random.normal([B, T, H, V]),
      kappa: random.normal([B, T, H, K], { std: 0.5 }),
      a: random.uniform([B, T, H, K]),
      S0: random.normal([B, H, K, V]),
    }),
    op({ r, w, k, v, kappa, a, S0 }) {
      const [o, state] = rwkv7Scan({ r, w, k, v, kappa, a }, { initial: S0, chunkSize: 4 });
      return { o, state };
    },
    naive({ r, w, k, v, kappa, a, S0 }) {
      const [B, T] = r.shape;
      const arrays = {
        r: r.data,
        w: w.data,
        k: k.data,
        v: v.data,
        kappa: kappa.data,
        a: a.data,
        S0: S0.data,
      };
      return rwkv7Naive(arrays, { B, T, H, K, V });
    },
  },
});

conformance(rwkv7Stack, {
  name: 'rwkv7 stack',
  small: { dModel: 4, headDim: 2, numLayers: 2, hiddenDim: 6, ranks, chunkSize: 4 },
  learn: { dModel: 16, headDim: 8, numLayers: 2, hiddenDim: 32, ranks, chunkSize: 16 },
});

test('options are checked', () => {
  expect(() => rwkv7({ dModel: 12, headDim: 5 })).toThrow(
    'rwkv7: headDim must divide dModel = 12, got 5. 64 is usual.',
  );
  expect(() => rwkv7Stack({ dModel: 12, numLayers: 0 })).toThrow(
    'rwkv7Stack: numLayers must be a positive integer, got 0.',
  );
});
