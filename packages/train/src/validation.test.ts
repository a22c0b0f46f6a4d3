import { languageModel } from '@seq/lm';
import { gru } from '@seq/rnn';
import { treeEntries } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { adamw } from './adam.js';
import { weightAverage } from './average.js';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.js';
import { contiguousStreams, randomCrops } from './data.js';
import { evaluate } from './evaluate.js';
import { wsd } from './schedules.js';
import { train } from './train.js';
import type { ValidationOptions } from './train.js';
import { checkpointOf, resumeTraining, startTraining } from './training.js';

const V = 6;
const C = 4;
const lm = languageModel({ vocabSize: V, dModel: C, mixers: [gru({ dModel: C })], dropout: 0.1 });
const text = Array.from({ length: 300 }, (_, i) => (i * i) % V);
const optimizer = weightAverage(adamw({ lr: wsd({ peak: 0.02, total: 30, warmup: 3, decay: 10 }) }));
const data = contiguousStreams(text, { B: 4, T: 5 });
const fresh = (): ReturnType<
  typeof startTraining<ReturnType<typeof lm.init>, ReturnType<typeof lm.initState>>
> => startTraining(lm, optimizer, { seed: 3 });

/** A validation whose losses are given. */
function given(
  losses: readonly number[],
  o: Partial<ValidationOptions> = {},
): ValidationOptions & { at: number[] } {
  const at: number[] = [];
  return { loss: (step) => (at.push(step), losses[step / 2 - 1]), every: 2, at, ...o };
}

async function values(tree: unknown): Promise<unknown> {
  return Promise.all(treeEntries(tree).map(async ([path, t]) => [path, t.dtype, [...(await t.data())]]));
}

describe('validation', () => {
  test('ends the run when patience is used up, and says what was best', async () => {
    const training = fresh();
    const validation = given([5, 4, 4.5, NaN, 3, 3.1, 3.2, 3], { patience: 3 });
    const result = await train(lm, training, { data, optimizer, steps: 100, validation });
    expect(validation.at).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
    expect(result).toMatchObject({ finished: false, step: 16 });
    expect(result.stopped).toEqual({ step: 16, best: 3, bestStep: 10, stale: 3 });
    expect(training.step).toBe(16);

    const more = await train(lm, training, { data, optimizer, steps: 100, validation });
    expect(more).toMatchObject({ finished: false, step: 16, stopped: result.stopped });
    expect(validation.at).toHaveLength(8);
    training.progress = null;
    const anew = given([9, 9, 9, 9, 9, 9, 9, 9, 8], { patience: 3 });
    expect(await train(lm, training, { data, optimizer, steps: 18, validation: anew })).toMatchObject({
      finished: true,
      step: 18,
    });
    expect(training.progress).toEqual({ step: 18, best: 8, bestStep: 18, stale: 0 });
  });

  test('nothing is restored: the parameters are those of the last step', async () => {
    const [stopped, plain] = [fresh(), fresh()];
    await train(lm, stopped, { data, optimizer, steps: 50, validation: given([1, 2, 2], { patience: 2 }) });
    await train(lm, plain, { data, optimizer, steps: 6 });
    expect(stopped.step).toBe(6);
    expect(await values(stopped)).toEqual(await values(plain));
  });

  test('minDelta asks for more, no patience never stops, a first NaN counts', async () => {
    const end = async (losses: number[], o: Partial<ValidationOptions>): Promise<number> => {
      const training = fresh();
      return (await train(lm, training, { data, optimizer, steps: 8, validation: given(losses, o) })).step;
    };
    expect(await end([3, 2.9, 2.8, 2.7], { patience: 2 })).toBe(8);
    expect(await end([3, 2.9, 2.8, 2.7], { patience: 2, minDelta: 0.15 })).toBe(8); // 2.8 is 0.2 below 3
    expect(await end([3, 2.9, 2.8, 2.7], { patience: 2, minDelta: 0.25 })).toBe(6);
    expect(await end([1, 2, 3, 4], {})).toBe(8);
    expect(await end([NaN, NaN, 1, 1], { patience: 2 })).toBe(4);
  });

  test('a checkpoint carries average and patience: resumed it goes on bit for bit and stops where it would have', async () => {
    const crops = randomCrops(text, { B: 4, T: 5, seed: 1 });
    for (const batches of [crops, data]) {
      const losses = [2, 1, 1.5, 1.2, 1.1, 3, 3, 3];
      const o = { data: batches, optimizer, microBatches: 2, steps: 40 };
      const whole = fresh();
      const end = await train(lm, whole, { ...o, validation: given(losses, { patience: 4 }) });
      expect(end.step).toBe(12);

      const half = fresh();
      await train(lm, half, { ...o, steps: 7, validation: given(losses, { patience: 4 }) });
      const saved = decodeCheckpoint(await encodeCheckpoint(checkpointOf(lm, half)));
      expect(saved.progress).toEqual({ step: 6, best: 1, bestStep: 4, stale: 1 });
      const resumed = resumeTraining(lm, optimizer, saved);
      const again = await train(lm, resumed, { ...o, validation: given(losses, { patience: 4 }) });
      expect(again).toEqual(end);
      expect(resumed.progress).toEqual(whole.progress);
      expect(await values(resumed)).toEqual(await values(whole));
      const mean = optimizer.average(resumed.params, resumed.optState);
      expect((await evaluate(lm, mean, text, { B: 2, T: 20 })).nats).toBeGreaterThan(0);
    }
  });

  test('a validation that was missed is made up for', async () => {
    const training = fresh();
    const failing = given([1], { loss: () => Promise.reject(new Error('no disk')) });
    await expect(train(lm, training, { data, optimizer, steps: 9, validation: failing })).rejects.toThrow(
      'no disk',
    );
    expect([training.step, training.progress]).toEqual([2, null]);
    const validation = given([1, 2]);
    await train(lm, training, { data, optimizer, steps: 4, validation });
    expect(validation.at).toEqual([2, 4]);
  });

  test('wrong options are refused', async () => {
    const run = (o: Partial<ValidationOptions>): Promise<unknown> =>
      train(lm, fresh(), { data, optimizer, steps: 1, validation: given([], o) });
    await expect(run({ every: 0 })).rejects.toThrow(/validation.every must be an integer ≥ 1, got 0/);
    await expect(run({ patience: 0.5 })).rejects.toThrow(
      /validation.patience must be an integer ≥ 1, got 0.5/,
    );
    await expect(run({ minDelta: -1 })).rejects.toThrow(
      /validation.minDelta must be a finite number ≥ 0, got -1/,
    );
  });
});
