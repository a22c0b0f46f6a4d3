import { test, vi } from 'vitest';
import type { WebGPUDevice } from '../device.js';
import { freshDevice } from '../testkit.js';
import { agreesAtEverySize, everyOp } from './testkit/agree.js';

vi.mock(import('../wgsl/shader.js'), async (original) => {
  const { withShortRows } = await import('./testkit/grid.js');
  return withShortRows(await original());
});

let gpu: Promise<WebGPUDevice> | null = null;

test.each(everyOp)(
  '%s: the kernels meant for GPUs at awkward sizes, on grids of several rows',
  async (_, op) => agreesAtEverySize(op, await (gpu ??= freshDevice({ assumeGpu: true }))),
);
