import { cpu, createCpu } from '@seq/tensor';
import type { Device } from '@seq/tensor';
import type { WebGPUDevice, WebGPUOptions } from '@seq/webgpu-kernels';
import type { TestDevice } from './types.js';

interface Opened {
  readonly device: Device | null;
  readonly reason?: string;
  fresh: TestDevice['fresh'];
}

/** The WebGPU device of this machine, or why there is none. It is asked for once, when this module is loaded. */
const webgpu: Opened = await openWebGPU();

async function openWebGPU(): Promise<Opened> {
  const none = (reason: string): Opened => ({ device: null, reason, fresh: () => Promise.resolve(null) });
  let request: (o?: WebGPUOptions) => Promise<WebGPUDevice>;
  try {
    ({ requestWebGPU: request } = await import('@seq/webgpu-kernels'));
  } catch {
    return none('the package @seq/webgpu-kernels is not installed');
  }
  try {
    const device = await request();
    // Others on the same device of the platform: the kernels that it has compiled serve them all.
    return { device, fresh: (o = {}) => request({ ...o, device: device.gpu }) };
  } catch (error) {
    return none((error as Error).message);
  }
}

/**
 * The devices that mechanisms are judged on: every kind Seq knows, present or absent.
 *
 * The WebGPU device is asked for when this package is imported: behind imports of what is tested, tests of one's own say
 * `await loadKernels()` (`@seq/webgpu-kernels`), as `conformance` and `judge` do.
 *
 * An absent one carries the reason, and its tests show as skipped. Pass a longer list as `devices` to
 * `conformance` to judge on a device of your own.
 */
export function testDevices(): TestDevice[] {
  return [
    {
      kind: 'cpu',
      device: cpu(),
      dtypes: ['f64', 'f32'],
      fresh: (o = {}) => Promise.resolve(createCpu(o)),
    },
    { kind: 'webgpu', ...webgpu, dtypes: ['f32'] },
  ];
}
