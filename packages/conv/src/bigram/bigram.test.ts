import { crossEntropy, key, oneHot, tensor, valueAndGrad } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { bigramLogProbs, countBigrams } from './counts.js';
import { bigram } from './mixer.js';
import { bigramNaive } from './naive.js';
import { bigramTable } from './op.js';

const C = 4;

conformance(bigram, {
  small: { dModel: C },
  core: {
    inputs: ({ B, T, random }) => ({ x: random.normal([B, T, C]), table: random.normal([C, C]) }),
    op: ({ x, table }) => bigramTable(x, table),
    naive: ({ x, table }) => bigramNaive(x.data, table.data, { B: x.shape[0], T: x.shape[1], C }),
  },
  naive: ({ table }, x) => bigramNaive(x.data, table.data, { B: x.shape[0], T: x.shape[1], C }),
});

describe('the table', () => {
  const text = 'the theory of the thing is that the thing thinks ';
  const letters = [...new Set(text)].sort();
  const V = letters.length;
  const ids = Array.from(text, (c) => letters.indexOf(c));
  const [inputs, targets] = [ids.slice(0, -1), ids.slice(1)];
  const mixer = bigram({ dModel: V });
  const x = oneHot(tensor([inputs], { dtype: 'i32' }), V, { dtype: 'f64' });
  const goal = tensor([targets], { dtype: 'i32' });

  test('of counted log-probabilities gives the loss of the counts', async () => {
    const counts = countBigrams(ids, V);
    for (const alpha of [0, 0.5, 1]) {
      const logProbs = bigramLogProbs(counts, V, { alpha });
      const want = -inputs.reduce((sum, i, t) => sum + logProbs[i * V + targets[t]], 0) / inputs.length;
      if (alpha === 0) {
        for (let i = 0; i < V; i++) {
          const row = logProbs.subarray(i * V, (i + 1) * V);
          expect(row.reduce((sum, v) => sum + Math.exp(v), 0)).toBeCloseTo(1, 12);
        }
      }
      // −∞ would make 0 · ∞ in the product; an impossible pair never occurs in this text.
      const table = tensor(
        logProbs.map((v) => Math.max(v, -1e3)),
        { shape: [V, V] },
      );
      const loss = await crossEntropy(mixer.forward({ table }, x), goal).item();
      expect(loss).toBeCloseTo(want, 10);
    }
  });

  test('trained by gradient comes to the loss of the counts, within 1e-3', async () => {
    const logProbs = bigramLogProbs(countBigrams(ids, V), V, { alpha: 0 });
    const optimum = -inputs.reduce((sum, i, t) => sum + logProbs[i * V + targets[t]], 0) / inputs.length;
    let params = mixer.init(key(0), { dtype: 'f64' });
    let loss = Infinity;
    for (let step = 0; step < 3000 && loss > optimum + 1e-3; step++) {
      const [value, grads] = valueAndGrad(
        (p: typeof params) => crossEntropy(mixer.forward(p, x), goal),
        params,
      );
      loss = await value.item();
      const table = await params.table.sub(grads.table.mul(20)).realize();
      for (const t of [value, grads.table, params.table]) t.dispose();
      params = { table };
    }
    expect(loss).toBeGreaterThanOrEqual(optimum);
    expect(loss).toBeLessThanOrEqual(optimum + 1e-3);
  });

  test('counts and smoothing say what they cannot take', () => {
    expect(Array.from(countBigrams([0, 1, 1, 0], 2))).toEqual([0, 1, 1, 1]);
    expect(Array.from(bigramLogProbs(new Float64Array(4), 2, { alpha: 0 }))).toEqual(
      Array(4).fill(-Math.log(2)),
    );
    expect(() => countBigrams([0, 2], 2)).toThrow(
      'countBigrams: ids must be within 0 … 1, got 2 at 1. Check vocabSize.',
    );
    expect(() => bigramLogProbs(new Float64Array(4), 2, { alpha: -1 })).toThrow(
      'alpha must not be negative, got -1.',
    );
    expect(() => bigramTable(tensor([[1, 2]]), tensor([[1]]))).toThrow(
      'bigramTable: table must be [C, C] for x [..., C], got x [1, 2], table [1, 1].',
    );
  });
});
