/** What GPU devices were asked for, whoever asked. */
export interface Watched {
  dispatches: number;
  submits: number;
  /** Buffers made so far, those not destroyed yet, and their bytes. */
  buffers: number;
  liveBuffers: number;
  liveBytes: number;
  bindGroups: number;
  pipelines: number;
  shaderModules: number;
}

/** Objects made so far. */
export const objectsOf = (w: Watched): number => w.buffers + w.bindGroups + w.pipelines + w.shaderModules;

/**
 * Counts from now on what all devices of `gpu` are asked for, by standing between them and whoever uses them: the same
 * measure for every library.
 */
export function watch(gpu: GPU): Watched {
  const seen: Watched = {
    dispatches: 0,
    submits: 0,
    buffers: 0,
    liveBuffers: 0,
    liveBytes: 0,
    bindGroups: 0,
    pipelines: 0,
    shaderModules: 0,
  };
  after(gpu, 'requestAdapter', async (found) => {
    const adapter = (await found) as GPUAdapter | null;
    if (adapter)
      after(adapter, 'requestDevice', async (device) => watchDevice((await device) as GPUDevice, seen));
  });
  return seen;
}

function watchDevice(device: GPUDevice, seen: Watched): void {
  const count = (method: keyof GPUDevice, what: 'bindGroups' | 'pipelines' | 'shaderModules'): void =>
    after(device, method, () => void seen[what]++);
  count('createBindGroup', 'bindGroups');
  count('createShaderModule', 'shaderModules');
  count('createComputePipeline', 'pipelines');
  count('createComputePipelineAsync', 'pipelines');
  after(device.queue, 'submit', () => void seen.submits++);
  after(device, 'createBuffer', (made) => {
    const buffer = made as GPUBuffer;
    seen.buffers++;
    seen.liveBuffers++;
    seen.liveBytes += buffer.size;
    let live = true;
    after(buffer, 'destroy', () => {
      if (!live) return;
      live = false;
      seen.liveBuffers--;
      seen.liveBytes -= buffer.size;
    });
  });
  after(device, 'createCommandEncoder', (encoder) =>
    after(encoder as GPUCommandEncoder, 'beginComputePass', (pass) => {
      after(pass as GPUComputePassEncoder, 'dispatchWorkgroups', () => void seen.dispatches++);
      after(pass as GPUComputePassEncoder, 'dispatchWorkgroupsIndirect', () => void seen.dispatches++);
    }),
  );
}

/** Lets `then` see each result of a method; a promise is handed on only when `then` has seen its value. */
function after<T extends object>(target: T, method: keyof T, then: (result: unknown) => unknown): void {
  const call = (target[method] as (...given: unknown[]) => unknown).bind(target);
  Object.assign(target, {
    [method]: (...given: unknown[]): unknown => {
      const result = call(...given);
      const seen = then(result);
      return seen instanceof Promise ? seen.then(() => result) : result;
    },
  });
}
