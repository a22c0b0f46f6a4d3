import type { WebGPUDevice } from './device.js';
import type { WebGPUOptions } from './request.js';
import { findGpu, requestWebGPU } from './request.js';

/** What goes wrong, and when. */
export interface Faults {
  /** The device is lost with the n-th submission from now, counted from 1. */
  loseAtSubmit?: number;
  /** The n-th buffer from now, counted from 1, is refused for want of memory. */
  refuseBuffer?: number;
}

/**
 * A real WebGPU device whose misfortunes are planned, for tests of what survives them. With `poison` its recycled
 * memory holds NaN, with `floor` it has no more than every device has.
 *
 * @returns the device, and `faults`, which may be set again while it runs
 */
export async function requestFaulty(
  faults: Faults,
  options: WebGPUOptions = {},
): Promise<{ device: WebGPUDevice; faults: Faults }> {
  const plan = { ...faults };
  const source = options.gpu ?? (await findGpu());
  const gpu = {
    requestAdapter: async (wish?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
      const adapter = await source.requestAdapter(wish);
      if (adapter !== null) {
        const request = adapter.requestDevice.bind(adapter);
        adapter.requestDevice = async (descriptor) => sabotaged(await request(descriptor), plan);
      }
      return adapter;
    },
  } as GPU;
  return { device: await requestWebGPU({ name: 'faulty webgpu', ...options, gpu }), faults: plan };
}

/** Puts the faults between the caller and the device. */
function sabotaged(device: GPUDevice, plan: Faults): GPUDevice {
  const createBuffer = device.createBuffer.bind(device);
  const popErrorScope = device.popErrorScope.bind(device);
  const submit = device.queue.submit.bind(device.queue);
  let refused = false;
  device.createBuffer = (descriptor) => {
    if (plan.refuseBuffer === undefined || --plan.refuseBuffer > 0) return createBuffer(descriptor);
    delete plan.refuseBuffer;
    refused = true;
    // As with a real refusal there is an object, and whatever uses it is invalid.
    return createBuffer({ ...descriptor, size: 4 });
  };
  device.popErrorScope = async () => {
    const wasRefused = refused;
    refused = false;
    const error = await popErrorScope();
    return wasRefused ? { message: 'Out of memory (planned)' } : error;
  };
  device.queue.submit = (commands) => {
    if (plan.loseAtSubmit === undefined || --plan.loseAtSubmit > 0) return submit(commands);
    delete plan.loseAtSubmit;
    device.destroy();
    return submit(commands);
  };
  return device;
}
