import { tensor } from '@seq/tensor';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';

test('a page has a WebGPU device', async () => {
  const lines: string[] = [];
  const device = await requestWebGPU({ log: (line) => lines.push(line) });
  expect(lines.join('\n')).toMatch(/bindings up to/);
  const x = tensor(Float32Array.of(1, 2, 3), { device });
  expect(await x.data()).toEqual(Float32Array.of(1, 2, 3));
  device.dispose();
});
