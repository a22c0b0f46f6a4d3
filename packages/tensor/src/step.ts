import type { Device } from './device.js';

/** Runs `f` with a label such as `step 12` that messages of the device then name. */
export function withStep<T>(device: Device, label: string | number, f: () => T): T {
  const before = device.step;
  device.step = typeof label === 'number' ? `step ${label}` : label;
  try {
    return f();
  } finally {
    device.step = before;
  }
}
