import { sharing } from '../threads/sharing.js';
import { CpuDevice } from './device.js';
import type { CpuOptions } from './device.js';

/** A CPU device of one's own; most code uses the shared one, `cpu()`. */
export function createCpu(options: CpuOptions = {}): CpuDevice {
  return new CpuDevice(options, sharing);
}
