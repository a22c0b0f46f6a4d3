import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';
import { layerCases } from './cases.js';

test('the kernels of layers agree with the CPU', { timeout: 300_000 }, async () => {
  const device = await requestWebGPU();
  const report = await verify(device, { only: true, cases: layerCases() });
  expect(String(report)).toContain('all agree with the CPU');
  const names = new Set(report.verdicts.filter((v) => v.cases > 0).map((v) => v.op));
  expect([...names].toSorted()).toEqual([
    ...['layerNorm', 'layerNorm.backward', 'matrixScan', 'matrixScan.backward'],
    ...['rmsNorm', 'rmsNorm.backward', 'rmsNormGated', 'rmsNormGated.backward', 'rope'],
  ]);
  device.dispose();
});
