// The kernels of the scan for real GPUs, whose shaders an adapter that is a program compiles for long.
import { scanCases } from '@seq/nn/scan';
import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';
import { expectExact } from './scan-testkit.js';

test.each(['none', 'head', 'key'] as const)('tiles, forward and gradient, decay: %s', async (decay) => {
  const device = await requestWebGPU({ floor: true, poison: true, assumeGpu: true });
  const report = await verify(device, { only: true, cases: scanCases([{ decay, erase: 'none' }]) });
  expect(String(report)).toContain('all agree with the CPU');
  const ran = report.verdicts.filter((v) => v.cases > 0).map((v) => `${v.op}/${v.variant}`);
  expect(ran).toEqual(expect.arrayContaining(['matrixScan/tiles', 'matrixScan.backward/tiles']));
});

test.each(['head', 'key'] as const)('tiles, gates at their extremes, decay: %s', async (decay) => {
  const device = await requestWebGPU({ floor: true, poison: true, assumeGpu: true });
  await expectExact({ decay, erase: 'none' }, device, 70);
});
