import { matmul, ones } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { patient, runsOnCpu } from './patient.js';
import { testDevice } from './testkit.js';

/** Looks for an answer as Node's WebGPU does, until `milliseconds` have passed; answers with when it looked. */
function lookFor(milliseconds: number): Promise<number[]> {
  const start = performance.now();
  const looks: number[] = [];
  return new Promise((resolve) => {
    const schedule = (): void => {
      globalThis.setImmediate(() => {
        const now = performance.now() - start;
        looks.push(now);
        if (now < milliseconds) schedule();
        else resolve(looks);
      });
    };
    schedule();
  });
}

const device = (): GPUDevice => ({}) as GPUDevice;

describe('waiting for an adapter that is a program on the CPU', () => {
  test('pauses between looks after the first millisecond', async () => {
    const slow = device();
    runsOnCpu(slow);
    const looks = await patient(slow, () => lookFor(60));
    expect(looks.filter((t) => t > 2).length).toBeLessThan(70);
    expect((await lookFor(60)).length).toBeGreaterThan(3 * looks.length);
  });

  test('leaves the scheduler of the program as it was', async () => {
    const own = globalThis.setImmediate;
    const slow = device();
    runsOnCpu(slow);
    const waiting = patient(slow, () => lookFor(5));
    expect(globalThis.setImmediate === own).toBe(true);
    await waiting;
    expect(globalThis.setImmediate === own).toBe(true);
    expect(() =>
      patient(slow, () => {
        throw new Error('lost');
      }),
    ).toThrow('lost');
    expect(globalThis.setImmediate === own).toBe(true);
  });

  test('a device waits so for its results', async (context) => {
    const device = await testDevice();
    if (!device.limits.software) context.skip('the adapter is a GPU');
    const x = ones([256, 256], { device });
    /** A result that takes some hundreds of milliseconds. */
    const compute = async (): Promise<void> => {
      let y: Tensor = x;
      for (let i = 0; i < 40; i++) y = matmul(y, x);
      await y.realize();
    };
    await compute();
    const own = globalThis.setImmediate;
    let looks = 0;
    globalThis.setImmediate = ((look: () => void) => {
      looks++;
      return own(look);
    }) as typeof own;
    const start = performance.now();
    try {
      await compute();
    } finally {
      globalThis.setImmediate = own;
    }
    // Without pauses it looks two to three times in a millisecond.
    expect(looks).toBeLessThan(performance.now() - start);
  });

  test('does nothing for a GPU', async () => {
    const own = globalThis.setImmediate;
    const seen = patient(device(), () => globalThis.setImmediate);
    expect(seen === own).toBe(true);
  });
});
