import { recurrenceCases } from '@seq/rnn';
import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';

test(
  'the kernels of the recurrences agree with the CPU as a GPU at the floor of WebGPU runs them',
  { timeout: 300_000 },
  async () => {
    const device = await requestWebGPU({ assumeGpu: true, floor: true, poison: true });
    const report = await verify(device, { only: true, cases: recurrenceCases() });
    expect(String(report)).toContain('all agree with the CPU');
    expect(report.verdicts.filter((v) => v.cases === 0)).toEqual([]);
    device.dispose();
  },
);
