import { createCpu, key, normal } from '@seq/tensor';
import type { CpuDevice } from '@seq/tensor';
import { expect, test } from 'vitest';

const square = (device: CpuDevice): Promise<ArrayLike<number>> => {
  const x = normal(key(0, { device }), [411, 411]);
  return x.matmul(x).data();
};

test('an isolated page shares kernels with a worker, to the bits of one thread', async () => {
  expect(crossOriginIsolated).toBe(true);
  const device = createCpu({ threads: 2 });
  await square(device);
  await expect.poll(() => device.threads, { timeout: 10_000 }).toBe(2);
  expect(device.threadsOff).toBe(null);
  expect(await square(device)).toEqual(await square(createCpu()));
});
