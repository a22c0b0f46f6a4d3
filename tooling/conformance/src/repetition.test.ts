import { bigram } from '@seq/conv';
import { languageModel } from '@seq/lm';
import type { Device } from '@seq/tensor';
import { SeqError, treeLeaves } from '@seq/tensor';
import { testDevices } from '@seq/testing';
import {
  adamw,
  checkpointOf,
  decodeCheckpoint,
  encodeCheckpoint,
  randomCrops,
  resumeTraining,
  startTraining,
  train,
} from '@seq/train';
import type { Batches } from '@seq/train';
import { loadKernels, requestFaulty } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

await loadKernels();

// The same seed on the same adapter: the same bits twice, after a resume, and after memory was refused on the way.

const lm = languageModel({ vocabSize: 7, dModel: 12, mixers: [bigram({ dModel: 12 })], dropout: 0.1 });
const ids = Int32Array.from({ length: 200 }, (_, i) => (i * i + 3 * (i >> 2)) % 7);
const optimizer = adamw({ lr: 0.01 });
const batches = (device: Device, B = 2): Batches => randomCrops(ids, { B, T: 6, seed: 5, device });

/** The bits of all weights. */
async function bits(params: unknown): Promise<number[]> {
  const values: number[] = [];
  for (const leaf of treeLeaves(params)) {
    const data = (await leaf.data()) as Float32Array<ArrayBuffer>;
    values.push(...new Uint32Array(data.buffer, data.byteOffset, data.length));
  }
  return values;
}

for (const { kind, device: shared, fresh, reason } of testDevices()) {
  describe(`on ${kind}`, () => {
    if (!shared) {
      test.skip(`no ${kind}: ${reason}`, () => {});
      return;
    }

    test('a training gives the same bits twice and after a resume', { timeout: 180_000 }, async () => {
      const run = async (device: Device, stop: number | null): Promise<number[]> => {
        let training = startTraining(lm, optimizer, { seed: 3, device });
        const data = batches(device);
        if (stop !== null) {
          await train(lm, training, { data, optimizer, steps: stop });
          const saved = await encodeCheckpoint(checkpointOf(lm, training));
          training = resumeTraining(lm, optimizer, decodeCheckpoint(saved, { device }));
        }
        await train(lm, training, { data, optimizer, steps: 5 });
        return bits(training.params);
      };
      const device = (await fresh())!;
      const first = await run(device, null);
      expect(await run(device, null)).toEqual(first);
      expect(await run((await fresh())!, 2)).toEqual(first);
    });
  });
}

describe('memory that is refused', () => {
  const webgpu = testDevices().find((d) => d.kind === 'webgpu')!;
  if (!webgpu.device) {
    test.skip(`no webgpu: ${webgpu.reason}`, () => {});
    return;
  }
  test('leaves parameters as they were, whichever buffer it is', { timeout: 180_000 }, async () => {
    const { device, faults } = await requestFaulty({});
    const training = startTraining(lm, optimizer, { seed: 3, device });
    await train(lm, training, { data: batches(device), optimizer, steps: 2 });
    let refused = 0;
    for (let B = 16; ; B += 16) {
      const before = await bits(training.params);
      // Another size of batch: its plan asks for buffers of its own.
      const data = batches(device, B);
      faults.refuseBuffer = refused + 1;
      const error: unknown = await train(lm, training, { data, optimizer, steps: 3 }).catch(
        (e: unknown) => e,
      );
      if (faults.refuseBuffer !== undefined) break;
      expect(SeqError.is(error, 'memory'), String(error)).toBe(true);
      expect(training.step).toBe(2);
      expect(await bits(training.params)).toEqual(before);
      refused++;
      data.dispose();
    }
    // The last run asked for fewer buffers than the refused one was to be.
    expect(refused).toBeGreaterThan(2);
    expect(training.step).toBe(3);
  });
});
