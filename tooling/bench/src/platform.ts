import { createRequire } from 'node:module';

/**
 * Gives Node what pages have: `navigator.gpu` and the constants of WebGPU. The peers look for them, and all use the
 * same adapter.
 */
export function installWebGPU(): GPU {
  const require = createRequire(import.meta.url);
  const { create, globals } = require('webgpu') as { create(flags: string[]): GPU; globals: object };
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const adapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const found = await adapter(options);
    if (found !== null) copyShared(found);
    return found;
  };
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
  return gpu;
}

/** Node's WebGPU refuses views of shared memory, which onnxruntime-web writes from; a browser takes them. */
function copyShared(adapter: GPUAdapter): void {
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await request(descriptor);
    const { queue } = device;
    const write = queue.writeBuffer.bind(queue);
    queue.writeBuffer = ((
      buffer: GPUBuffer,
      at: number,
      data: ArrayBufferView,
      from?: number,
      size?: number,
    ) => {
      const shared = typeof SharedArrayBuffer !== 'undefined' && data.buffer instanceof SharedArrayBuffer;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      if (!shared) return write(buffer, at, data as BufferSource, from, size);
      const unit = 'BYTES_PER_ELEMENT' in data ? (data as Uint8Array).BYTES_PER_ELEMENT : 1;
      const [first, count] = [(from ?? 0) * unit, size === undefined ? undefined : size * unit];
      return write(buffer, at, bytes, first, count);
    }) as GPUQueue['writeBuffer'];
    return device;
  };
}
