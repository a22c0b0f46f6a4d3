import { compile, createCpu, scan } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { testDevices } from '@seq/testing';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';
import { everything, inputsOn, run } from '../../../packages/tensor/src/testkit-programs.js';

// Random programs with their gradients, recorded and run, as plans (replayed, with donated arguments) and inside a loop,
// on WebGPU in memory full of NaN, with dispatches joined: planners, fusion and memory against the plain CPU.

const read = async (ts: readonly Tensor[]): Promise<number[][]> =>
  Promise.all(ts.map(async (t) => [...(await t.data())]));

function close(got: readonly (readonly number[])[], want: readonly (readonly number[])[]): void {
  expect(got.length).toBe(want.length);
  got.forEach((values, i) =>
    values.forEach((v, k) => {
      const w = want[i][k];
      expect(Math.abs(v - w), `value ${i}, element ${k}: ${v} and ${w}`).toBeLessThanOrEqual(
        2e-4 * (1 + Math.abs(w)),
      );
    }),
  );
}

const plain = createCpu();

describe.each(testDevices().filter((d) => d.kind === 'webgpu'))(
  'random programs on $kind',
  ({ kind, device, reason }) => {
    if (!device) {
      test.skip(`no ${kind}: ${reason}`, () => {});
      return;
    }
    let poisoned: Device;

    test.each(Array.from({ length: 20 }, (_, i) => 7 * i + 1))(
      'seed %i',
      { timeout: 180_000 },
      async (seed) => {
        poisoned ??= await requestWebGPU({ poison: true, joinDispatches: true });
        const length = 4 + (seed % 20);
        const f = everything(run(seed, length));
        const want = await read(f(inputsOn(plain, seed)));
        close(await read(f(inputsOn(poisoned, seed))), want);
        const compiled = compile(f);
        const inputs = inputsOn(poisoned, seed);
        const first = await read(compiled(inputs));
        close(first, want);
        expect(await read(compiled(inputs))).toEqual(first);
        compiled.dispose();
        const donating = compile(f, { donate: [0] });
        expect(await read(donating(inputsOn(poisoned, seed)))).toEqual(first);
        donating.dispose();
        const [, looped] = scan(
          (c: null, xs: readonly Tensor[]): [null, Tensor[]] => [c, run(seed, length)(xs)],
          null,
          inputsOn(poisoned, seed).map((x) => x.expandDims(0)),
        );
        close(await read(looped), want.slice(1, 5));
      },
    );
  },
);
