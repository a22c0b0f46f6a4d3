import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';
import { stateSpaceCases } from './cases.js';

test('the kernels of this room agree with the CPU', { timeout: 300_000 }, async () => {
  const device = await requestWebGPU();
  const report = await verify(device, { only: true, cases: stateSpaceCases() });
  expect(String(report)).toContain('all agree with the CPU');
  const names = new Set(report.verdicts.filter((v) => v.cases > 0).map((v) => v.op));
  expect([...names].toSorted()).toEqual([
    'diagonalKernel',
    'diagonalKernel.backward',
    'selectiveScan',
    'selectiveScan.backward',
  ]);
  device.dispose();
});
