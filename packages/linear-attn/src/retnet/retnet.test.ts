import { rmsNorm } from '@seq/nn';
import { cpu } from '@seq/tensor';
import { conformance, hostRandom, toTensor } from '@seq/testing';
import { expect, test } from 'vitest';
import { lightningDecays, retain, retainRowNormalized, retentionDecays, retnet } from './index.js';
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

test('normalised rows differ by a factor, which the norm of a head cancels', async () => {
  const random = hostRandom(1);
  const f64 = { device: cpu(), dtype: 'f64' } as const;
  const [q, k, v] = [K, K, V].map((width) => toTensor(random.normal([2, 12, H, width], { std: 3 }), f64));
  const [plain] = retain(q, k, v, { scale: 1 });
  const direction = rmsNorm(plain, {}, { eps: 0 });
  for (const chunkSize of [12, 4, 1]) {
    const o = retainRowNormalized(q, k, v, { chunkSize });
    expect(await rmsNorm(o, {}, { eps: 0 }).sub(direction).abs().max().item()).toBeLessThan(1e-12);
    expect(await o.sub(plain).abs().max().item()).toBeGreaterThan(1);
  }
  expect(() => retainRowNormalized(q, k, v, { chunkSize: 5 })).toThrow(
    'retainRowNormalized: chunkSize must be a positive divisor of T = 12, got 5. Leave it out for the parallel form.',
  );
});
