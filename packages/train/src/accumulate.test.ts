import { attention } from '@seq/attention';
import { languageModel } from '@seq/lm';
import { ema, gru } from '@seq/rnn';
import { cloneTree, key, OptionError, ShapeError, tensor, treeEntries } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { adamw } from './adam.js';
import { contiguousStreams, randomCrops } from './data.js';
import type { Batches } from './data.js';
import { trainStep } from './step.js';
import { train } from './train.js';
import { startTraining } from './training.js';

const V = 8;
const C = 8;
const text = Array.from({ length: 600 }, (_, i) => (i * i + (i >> 3)) % V);

/** Largest difference between two trees of the same structure. */
async function distance(a: unknown, b: unknown): Promise<number> {
  const other = new Map(treeEntries(b));
  let most = 0;
  for (const [path, x] of treeEntries(a)) {
    const [p, q] = [await x.data(), await other.get(path)!.data()];
    expect(q.length).toBe(p.length);
    for (let i = 0; i < p.length; i++) most = Math.max(most, Math.abs(p[i] - q[i]));
  }
  return most;
}

describe('microBatches', () => {
  test.each([
    ['crops', (): Batches => randomCrops(text, { B: 6, T: 7, seed: 4 })],
    ['streams', (): Batches => contiguousStreams(text, { B: 6, T: 7 })],
  ])('parts of a batch train as the whole does, in f64: %s', async (_, data) => {
    const lm = languageModel({ vocabSize: V, dModel: C, mixers: [ema({ dModel: C }), gru({ dModel: C })] });
    const run = async (microBatches: number): Promise<[unknown, number[]]> => {
      const optimizer = adamw({ lr: 0.01 });
      const training = startTraining(lm, optimizer, { seed: 2, dtype: 'f64' });
      const seen: number[] = [];
      await train(lm, training, {
        data: data(),
        optimizer,
        microBatches,
        clip: 0.5,
        steps: 6,
        onStep: (e) => void seen.push(e.loss, e.gradNorm),
      });
      return [{ p: training.params, o: training.optState, s: training.stream }, seen];
    };
    const [whole, reported] = await run(1);
    for (const parts of [2, 3, 6]) {
      const [cut, also] = await run(parts);
      expect(await distance(whole, cut)).toBeLessThan(1e-10);
      also.forEach((x, i) => expect(Math.abs(x - reported[i])).toBeLessThan(1e-10));
    }
  });

  test('the plan needs less memory, and parts draw their own dropout', async () => {
    const lm = languageModel({
      vocabSize: V,
      dModel: C,
      mixers: [attention({ dModel: C, numHeads: 2 })],
      dropout: 0.3,
    });
    const optimizer = adamw({ lr: 0.01 });
    const { params, optState } = startTraining(lm, optimizer);
    const tokens = tensor(Int32Array.from(text.slice(0, 520)), { shape: [8, 65] });
    const peak = (microBatches?: number): number =>
      trainStep(lm, optimizer, microBatches ? { microBatches } : {}).plan(params, optState, tokens).peakBytes;
    expect(peak(8)).toBeLessThan(peak(2));
    expect(peak(2)).toBeLessThan(peak());

    // Equal rows in both parts: without randomness the parts agree, with a key they do not.
    const twice = tensor(Int32Array.from([...text.slice(0, 9), ...text.slice(0, 9)]), { shape: [2, 9] });
    const once = tensor(Int32Array.from(text.slice(0, 9)), { shape: [1, 9] });
    const lossOf = async (rows: typeof twice, microBatches: number, seed?: number): Promise<number> => {
      const step = trainStep(lm, optimizer, { microBatches });
      const inputs = seed === undefined ? {} : { key: key(seed) };
      const [, , { loss }] = step(cloneTree(params), cloneTree(optState), rows, inputs);
      return loss.item();
    };
    expect(await lossOf(twice, 2)).toBeCloseTo(await lossOf(once, 1), 5);
    expect(Math.abs((await lossOf(twice, 2, 1)) - (await lossOf(once, 1, 1)))).toBeGreaterThan(1e-4);
    expect(await lossOf(twice, 2, 1)).toBe(await lossOf(twice, 2, 1));
  });

  test('rows that cannot be shared out are refused, and nothing is lost', async () => {
    const lm = languageModel({ vocabSize: V, dModel: C, mixers: [gru({ dModel: C })] });
    const optimizer = adamw();
    const training = startTraining(lm, optimizer);
    const data = randomCrops(text, { B: 4, T: 5 });
    await expect(train(lm, training, { data, optimizer, steps: 1, microBatches: 3 })).rejects.toThrow(
      /train: microBatches must divide the rows of a batch, got 3 for B = 4/,
    );
    expect(() => trainStep(lm, optimizer, { microBatches: 0 })).toThrow(OptionError);
    const step = trainStep(lm, optimizer, { microBatches: 3 });
    const { tokens } = data.at(0);
    expect(() => step(training.params, training.optState, tokens)).toThrow(ShapeError);
    await train(lm, training, { data, optimizer, steps: 1, microBatches: 4 });
    expect(training.step).toBe(1);
  });
});
