// The kernels of the scan for real GPUs, whose shaders an adapter that is a program compiles for long.
import { scanCases } from '@seq/nn/scan';
import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import type { WebGPUDevice } from '@seq/webgpu-kernels';
import { beforeAll, expect, test } from 'vitest';
import { expectExact, kinds } from './scan-testkit.js';

let device: WebGPUDevice;
beforeAll(async () => {
  device = await requestWebGPU({ floor: true, poison: true, assumeGpu: true });
});

test.each(kinds)('tiles, forward and gradient, decay: $decay, erase: $erase', async (kind) => {
  const report = await verify(device, { only: true, cases: scanCases([kind]) });
  expect(String(report)).toContain('all agree with the CPU');
  const ran = report.verdicts.filter((v) => v.cases > 0).map((v) => `${v.op}/${v.variant}`);
  expect(ran).toEqual(expect.arrayContaining(['matrixScan/tiles', 'matrixScan.backward/tiles']));
});

// Chunks of three blocks, more than a tile in every direction.
test.each(kinds)('tiles, gates at their extremes, decay: $decay, erase: $erase', async (kind) => {
  await expectExact(kind, device, 70);
  await expectExact(kind, device, 70, { T: 170, H: 2, K: 40, V: 68 });
});
