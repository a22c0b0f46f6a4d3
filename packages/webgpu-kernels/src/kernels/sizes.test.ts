import type { Tensor } from '@seq/tensor';
import { SeqError } from '@seq/tensor';
import { describe, expect, test, vi } from 'vitest';
import type { WebGPUDevice } from '../device.js';
import { createRecording } from '../recording.js';
import { place, testDevice } from '../testkit.js';
import { agreesAtEverySize, everyOp } from './testkit/agree.js';
import type { Sized } from './testkit/sizes.js';
import { uses } from './testkit/sizes.js';

vi.mock(import('../wgsl/shader.js'), async (original) => {
  const { withShortRows } = await import('./testkit/grid.js');
  return withShortRows(await original());
});

test('every op with kernels has a use here', () => {
  expect(everyOp.filter(([, op]) => !uses.has(op)).map(([name]) => name)).toEqual([]);
});

// With the kernels meant for GPUs: sizes.slow.test.ts.
test.each(everyOp)('%s: values and gradients at awkward sizes, on grids of several rows', async (_, op) =>
  agreesAtEverySize(op, await testDevice()),
);

describe('what does not fit a binding is refused', () => {
  const bindingBytes = 16_384;
  const run = async (device: WebGPUDevice, { f, inputs }: Sized): Promise<void> => {
    const results: Tensor[] = [f(...inputs.map((x) => place(x, device)))].flat();
    for (const y of results) await y.data();
  };

  test.each(everyOp)('%s', async (_, op) => {
    const use = uses.get(op)!(5003);
    const { device } = createRecording();
    const allocate = vi.spyOn(device, 'allocateBytes');
    await run(device, use);
    const largest = Math.max(...allocate.mock.calls.map(([bytes]) => bytes));
    const refused = await run(createRecording({ limits: { bindingBytes } }).device, use).then(
      () => false,
      (error: unknown) => SeqError.is(error, 'memory') && /must fit/.test((error as Error).message),
    );
    expect(refused).toBe(largest > bindingBytes);
  });
});
