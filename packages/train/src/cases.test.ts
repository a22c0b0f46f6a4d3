import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';
import { optimizerCases } from './cases.js';

test.each([false, true])(
  'the kernels of this package agree with the CPU; at the floor: %s',
  async (floor) => {
    const device = await requestWebGPU({ floor, poison: floor });
    const report = await verify(device, { only: true, cases: optimizerCases() });
    expect(String(report)).toContain('all agree with the CPU');
    const names = new Set(report.verdicts.filter((v) => v.cases > 0).map((v) => `${v.op}/${v.variant}`));
    expect([...names].toSorted()).toEqual(expect.arrayContaining(['adam/together', 'adam/apart']));
    expect(report.verdicts.filter((v) => v.op === 'sumSquares' && v.cases > 0).length).toBeGreaterThan(0);
    device.dispose();
  },
);
