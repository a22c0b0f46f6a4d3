import { cpu, createCpu } from '@seq/tensor';
import type { TestDevice } from './types.js';

/**
 * The devices that mechanisms are judged on: every kind Seq knows, present or absent.
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
      fresh: (o = {}) => createCpu(o),
    },
    {
      kind: 'webgpu',
      device: null,
      reason: webgpuReason(),
      dtypes: ['f32'],
      fresh: () => null,
    },
  ];
}

function webgpuReason(): string {
  const gpu = typeof navigator === 'object' && 'gpu' in navigator && navigator.gpu;
  return gpu
    ? 'this version of Seq has no WebGPU device'
    : 'navigator.gpu is undefined and this version of Seq has no WebGPU device';
}
