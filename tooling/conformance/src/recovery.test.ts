import { bigram } from '@seq/conv';
import { languageModel } from '@seq/lm';
import type { Device } from '@seq/tensor';
import { SeqError, treeLeaves } from '@seq/tensor';
import { testDevices } from '@seq/testing';
import { adamw, randomCrops, startTraining, train } from '@seq/train';
import type { Batches } from '@seq/train';
import { loadKernels, requestFaulty } from '@seq/webgpu-kernels';
import { beforeAll, describe, expect, test } from 'vitest';

await loadKernels();

// A device that is lost in the middle of a training: the run goes on from its last snapshot and ends with the same bits.

const lm = languageModel({ vocabSize: 7, dModel: 8, mixers: [bigram({ dModel: 8 })] });
const ids = Int32Array.from({ length: 200 }, (_, i) => (i * i + 3 * (i >> 2)) % 7);
const optimizer = adamw({ lr: 0.01 });
const batches = (device: Device): Batches => randomCrops(ids, { B: 2, T: 6, seed: 5, device });
const webgpu = testDevices().find((d) => d.kind === 'webgpu')!;

async function weights(params: unknown): Promise<number[]> {
  const leaves = treeLeaves(params);
  const values: number[] = [];
  for (const leaf of leaves) values.push(...(await leaf.data()));
  return values;
}

describe('a lost device', () => {
  if (!webgpu.device) {
    test.skip(`no webgpu: ${webgpu.reason}`, () => {});
    return;
  }
  const steps = 7;
  let want: number[] = [];

  beforeAll(async () => {
    const calm = (await webgpu.fresh())!;
    const undisturbed = startTraining(lm, optimizer, { device: calm });
    await train(lm, undisturbed, { data: batches(calm), optimizer, steps });
    want = await weights(undisturbed.params);
  }, 120_000);

  // Wherever it happens, and however often snapshots are taken; one place and one interval are of this run alone.
  const drawn = (least: number, most: number): number =>
    least + Math.floor(Math.random() * (most - least + 1));
  test.each([
    [3, 2],
    [16, 3],
    [drawn(2, 18), drawn(1, 4)],
  ])(
    'at submission %i, with a snapshot every %i steps, changes no bit of the result',
    { timeout: 120_000 },
    async (loseAtSubmit, every) => {
      const { device, faults } = await requestFaulty({});
      const training = startTraining(lm, optimizer, { device });
      const data = batches(device);
      await Promise.all(treeLeaves(training.params).map((p) => p.realize()));
      const seen: number[] = [];
      let lost: SeqError | null = null;
      faults.loseAtSubmit = loseAtSubmit;
      await train(lm, training, {
        data,
        optimizer,
        steps,
        onStep: ({ step }) => void seen.push(step),
        recovery: {
          every,
          replace: async (error) => {
            lost = error;
            const next = (await webgpu.fresh())!;
            return { device: next, data: batches(next) };
          },
        },
      });
      expect(SeqError.is(lost, 'device-lost')).toBe(true);
      expect(training.step).toBe(steps);
      expect(seen.at(-1)).toBe(steps);
      expect(await weights(training.params)).toEqual(want);
    },
  );

  test(
    'without snapshots ends the run with an error that says what was lost',
    { timeout: 120_000 },
    async () => {
      const { device, faults } = await requestFaulty({});
      const training = startTraining(lm, optimizer, { device });
      const data = batches(device);
      await Promise.all(treeLeaves(training.params).map((p) => p.realize()));
      faults.loseAtSubmit = 5;
      const run = train(lm, training, { data, optimizer, steps });
      await expect(run).rejects.toThrow(
        /it was lost .* All its tensors are gone: .* from the last checkpoint/,
      );
    },
  );
});
