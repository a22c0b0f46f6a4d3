import { flashCases } from '@seq/flash';
import { layerCases } from '@seq/nn';
import { stateSpaceCases } from '@seq/ssm';
import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';

test.each([
  [
    'layers',
    layerCases,
    [
      ...['layerNorm', 'layerNorm.backward', 'matrixScan', 'matrixScan.backward'],
      ...['rmsNorm', 'rmsNorm.backward', 'rmsNormGated', 'rmsNormGated.backward', 'rope'],
    ],
  ],
  [
    'state spaces',
    stateSpaceCases,
    ['diagonalKernel', 'diagonalKernel.backward', 'selectiveScan', 'selectiveScan.backward'],
  ],
  ['flash attention', flashCases, ['flashAttention', 'flashAttention.backward']],
] as const)('the kernels of %s agree with the CPU', { timeout: 300_000 }, async (_, cases, names) => {
  const device = await requestWebGPU();
  const report = await verify(device, { only: true, cases: cases() });
  expect(String(report)).toContain('all agree with the CPU');
  const found = new Set(report.verdicts.filter((v) => v.cases > 0).map((v) => v.op));
  expect([...found].toSorted()).toEqual(names);
  device.dispose();
});
