import { CpuDevice } from './cpu/device.js';
import type { Device } from './device.js';

let shared: CpuDevice | null = null;
let current: Device | null = null;

/** The CPU device that everybody shares; made on first use. */
export function cpu(): CpuDevice {
  return (shared ??= new CpuDevice());
}

/** The device that creation functions use when none is named: the CPU until `setDefaultDevice` says otherwise. */
export function defaultDevice(): Device {
  return current ?? cpu();
}

/** Makes `device` the one that creation functions use when none is named. */
export function setDefaultDevice(device: Device): void {
  current = device;
}
