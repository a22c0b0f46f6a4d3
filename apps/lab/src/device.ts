import { setDefaultDevice } from '@seq/tensor';
import { EXIT, LabError, messageOf } from './errors.js';

/** What computes. */
export type DeviceName = 'cpu' | 'webgpu';

/**
 * Makes a device the one on which this process computes.
 *
 * @returns what it is, for people; null for the CPU
 * @throws LabError  exit code 4, with the device's own words, where there is no WebGPU
 */
export async function useDevice(name: DeviceName): Promise<string | null> {
  if (name === 'cpu') return null;
  const { requestWebGPU } = await import('@seq/webgpu-kernels');
  let title = '';
  try {
    const device = await requestWebGPU({
      log: (line) => {
        title = line.replace(/^webgpu: /, '').replace(/; .*$/, '');
      },
    });
    setDefaultDevice(device);
    return title;
  } catch (error) {
    throw new LabError(EXIT.device, `--device webgpu: ${messageOf(error)}`);
  }
}
