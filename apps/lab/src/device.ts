import { setDefaultDevice } from '@seq/tensor';
import type { WebGPUDevice } from '@seq/webgpu-kernels';
import { EXIT, LabError, messageOf } from './errors.js';

/** What computes. */
export type DeviceName = 'cpu' | 'webgpu';

/** A WebGPU device and what it is. */
export interface OpenedDevice {
  readonly device: WebGPUDevice;
  /** The adapter, for people; says so when it is a program on the CPU. */
  readonly title: string;
}

/** A WebGPU device of this platform. Throws the DeviceError of `requestWebGPU` where there is none. */
export async function openWebGPU(): Promise<OpenedDevice> {
  const { requestWebGPU } = await import('@seq/webgpu-kernels');
  let title = '';
  const device = await requestWebGPU({
    log: (line) => {
      title = line.replace(/^webgpu: /, '').replace(/; .*$/, '');
    },
  });
  return { device, title };
}

/**
 * Makes a device the one on which this process computes.
 *
 * @returns what it is, for people; null for the CPU
 * @throws LabError  exit code 4, with the device's own words, where there is no WebGPU
 */
export async function useDevice(
  name: DeviceName,
): Promise<{ readonly title: string; readonly software: boolean } | null> {
  if (name === 'cpu') return null;
  try {
    const { device, title } = await openWebGPU();
    setDefaultDevice(device);
    return { title, software: device.limits.software };
  } catch (error) {
    throw new LabError(EXIT.device, `--device webgpu: ${messageOf(error)}`);
  }
}
