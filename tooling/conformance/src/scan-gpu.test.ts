// The kernels of the scan on WebGPU: every variant against the CPU, extreme gates against double precision, and what one
// step asks of a GPU.
import { compile, cpu, explain, grad, key, normal, sum, zeros } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import type { GpuCase } from '@seq/tensor/engine';
import { createRecording, loadKernels, requestWebGPU, verify } from '@seq/webgpu-kernels';
import type { WebGPUDevice } from '@seq/webgpu-kernels';
import { beforeAll, describe, expect, test } from 'vitest';
import { scanCases } from '@seq/nn/scan';
import { expectExact, kinds, run } from './scan-testkit.js';
import type { Kind, Operands } from './scan-testkit.js';

await loadKernels();

let floor: WebGPUDevice;
beforeAll(async () => {
  floor = await requestWebGPU({ floor: true, poison: true });
});

/** Judges all variants by cases; answers with those that ran. */
const judge = async (device: WebGPUDevice, cases: readonly GpuCase[]): Promise<string[]> => {
  const report = await verify(device, { only: true, cases });
  expect(String(report)).toContain('all agree with the CPU');
  return report.verdicts.filter((v) => v.cases > 0).map((v) => `${v.op}/${v.variant}`);
};

/** A step of these binds more buffers than every device allows, unless it is given the state to write to. */
const many = ({ decay, erase }: Kind): boolean => decay !== 'none' && erase === 'pair';

test.each(kinds)('columns and steps, decay: $decay, erase: $erase', async (kind) => {
  const names = await judge(floor, scanCases([kind]));
  const wanted = ['matrixScan/columns', 'matrixScan.backward/columns', 'matrixScan.step/halves'];
  expect(names).toEqual(
    expect.arrayContaining([...wanted, ...(many(kind) ? [] : ['matrixScan.step/whole'])]),
  );
});

test('a step at once, where there are bindings enough', async () => {
  const device = await requestWebGPU({ poison: true });
  // The last of the sizes is one position.
  const cases = kinds.filter(many).flatMap((kind) => scanCases([kind]).slice(-2));
  expect(await judge(device, cases)).toContain('matrixScan.step/whole');
});

test('tiles: chunks of more than a block; the rest of their cases compile for long, in scan-tiles.slow.test.ts', async () => {
  const gpu = await requestWebGPU({ floor: true, poison: true, assumeGpu: true });
  const of = (device: Device): readonly Tensor[] => {
    const draws = (seed: number, ...shape: number[]): Tensor =>
      normal(key(seed, { device }), shape, { device }).mul(0.5);
    const [q, k, read] = [1, 2, 5].map((seed) => draws(seed, 1, 75, 1, 3));
    return run({ q, k, v: draws(3, 1, 75, 1, 5), read, initial: draws(4, 1, 1, 3, 5) }, 70);
  };
  const [got, want] = [of(gpu), of(cpu())];
  for (const i of [0, 1]) {
    const exact = Array.from(await want[i].data());
    const scale = exact.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    (await got[i].data()).forEach((x, j) => expect(Math.abs(x - exact[j]) / scale).toBeLessThan(1e-5));
  }
});

test.each(kinds)('dispatches are as many at any length, decay: $decay, erase: $erase', (kind) => {
  const { device } = createRecording();
  const count = (T: number, train: boolean): number => {
    const of = (...shape: number[]): Tensor => zeros(shape, { device });
    const x: Operands = {
      ...{ q: of(1, T, 1, 8), k: of(1, T, 1, 8), v: of(1, T, 2, 8), initial: of(1, 2, 8, 8) },
      ...(kind.decay !== 'none' && { logDecay: kind.decay === 'key' ? of(1, T, 2, 8) : of(1, T, 2) }),
      ...(kind.erase !== 'none' && { read: of(1, T, 2, 8) }),
      ...(kind.erase === 'pair' && { write: of(1, T, 2, 8) }),
    };
    const trained = (y: Operands): Operands => grad((z: Operands) => sum(run(z)[0]), y);
    return (train ? explain(trained, x) : explain((y: Operands) => run(y), x)).dispatches;
  };
  const [forward, training] = [count(130, false), count(130, true)];
  expect(forward).toBe((kind.erase === 'none' ? 3 : 5) + (kind.decay === 'none' ? 0 : 1));
  expect([count(2000, false), count(2000, true)]).toEqual([forward, training]);
});

describe('gates of −∞, −50 and 0 for a thousand positions', () => {
  const fading = kinds.filter(({ decay }) => decay !== 'none');
  test.each(fading)('in WebAssembly, decay: $decay, erase: $erase', (kind) => expectExact(kind, cpu(), 64));
  // With the chunks of the cases above, whose shaders are there.
  test.each(fading)('columns, decay: $decay, erase: $erase', (kind) => expectExact(kind, floor, 4));
});

describe('a step', () => {
  /** A position of every operand, and the state before it. */
  function draw(device: Device, { decay, erase }: Kind): [Operands, Tensor] {
    const of = (...shape: number[]): Tensor => zeros(shape, { device });
    const rows = (): Tensor => of(2, 1, 4, 16);
    const operands = {
      q: rows(),
      k: rows(),
      v: of(2, 1, 4, 32),
      ...(decay !== 'none' && { logDecay: decay === 'key' ? rows() : of(2, 1, 4) }),
      ...(erase !== 'none' && { read: rows() }),
      ...(erase === 'pair' && { write: rows() }),
    };
    return [operands, of(2, 4, 16, 32)];
  }

  test.each(kinds)(
    'is one dispatch and takes no memory in a loop, decay: $decay, erase: $erase',
    async (kind) => {
      const { device, recorded } = createRecording();
      const [operands, initial] = draw(device, kind);
      const step = compile((x: Operands, S: Tensor) => run({ ...x, initial: S }), { donate: [1] });
      let S = initial;
      const steps = async (n: number): Promise<void> => {
        for (let i = 0; i < n; i++) {
          const [o, next] = step(operands, S);
          o.dispose();
          S = next;
        }
        device.flush();
        await new Promise((resolve) => setTimeout(resolve, 0));
      };
      await steps(4);
      const before = { ...recorded };
      await steps(16);
      expect(recorded.dispatches - before.dispatches).toBe(16);
      for (const made of ['buffers', 'bytes', 'bindGroups', 'pipelines', 'shaderModules'] as const)
        expect(recorded[made], made).toBe(before[made]);
    },
  );

  test('a state that is kept costs a pair with decays one dispatch more, where there are 8 bindings', async () => {
    for (const [storageBuffers, dispatches] of [
      [8, 2],
      [10, 1],
    ]) {
      const { device, recorded } = createRecording({ limits: { storageBuffers } });
      const [operands, initial] = draw(device, { decay: 'key', erase: 'pair' });
      const step = compile((x: Operands, S: Tensor) => run({ ...x, initial: S }));
      for (let i = 0; i < 2; i++) {
        const before = recorded.dispatches;
        step(operands, initial);
        device.flush();
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (i > 0) expect(recorded.dispatches - before).toBe(dispatches);
      }
    }
  });
});
