import { recurrenceCases } from '@seq/rnn';
import { requestWebGPU, verify } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

// The kernels of the recurrences against the CPU, as this adapter runs them and as a GPU would.

describe.each([
  ['as this adapter runs them', {}],
  ['as a GPU runs them', { assumeGpu: true }],
  ['at the floor of WebGPU', { floor: true, poison: true }],
])('the kernels of the recurrences, %s', (_, options) => {
  test('agree with the CPU', { timeout: 120_000 }, async () => {
    const device = await requestWebGPU(options);
    const report = await verify(device, { only: true, cases: recurrenceCases() });
    expect(String(report)).toContain('all agree with the CPU');
    expect(report.verdicts.filter((v) => v.cases === 0)).toEqual([]);
    device.dispose();
  });
});
