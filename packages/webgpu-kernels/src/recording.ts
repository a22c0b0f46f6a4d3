import { DeviceError } from '@seq/tensor';
import type { GpuLimits } from '@seq/tensor/engine';
import type { DeviceOptions } from './options.js';
import { WebGPUDevice } from './device.js';
import { maxWorkgroups } from './wgsl/index.js';

/** What was asked of a GPU. */
export interface Recorded {
  buffers: number;
  /** Bytes of all buffers made. */
  bytes: number;
  /** Bytes of buffers that were not destroyed. */
  liveBytes: number;
  bindGroups: number;
  pipelines: number;
  shaderModules: number;
  encoders: number;
  passes: number;
  dispatches: number;
  copies: number;
  writes: number;
  submits: number;
}

/** The limits that every WebGPU device has. */
export const floorLimits: GpuLimits = {
  storageBuffers: 8,
  invocations: 256,
  workgroupBytes: 16_384,
  workgroups: maxWorkgroups,
  bindingBytes: 134_217_728,
  f16: false,
  subgroupSize: 0,
  software: false,
};

/**
 * A WebGPU device that runs nothing and counts everything: for tests of how much a program asks of a GPU, on
 * machines without one. What it reads back is zeros.
 *
 * It refuses what a GPU would refuse: too many workgroups, a buffer that is read and written in one dispatch,
 * destroyed buffers. Kernels of packages beside `@seq/tensor` are loaded by `await loadKernels()`.
 *
 * @returns the device, and `recorded`, which goes on counting
 */
export function createRecording(options: DeviceOptions & { limits?: Partial<GpuLimits> } = {}): {
  device: WebGPUDevice;
  recorded: Recorded;
} {
  const { limits, ...rest } = options;
  const recorded: Recorded = {
    buffers: 0,
    bytes: 0,
    liveBytes: 0,
    bindGroups: 0,
    pipelines: 0,
    shaderModules: 0,
    encoders: 0,
    passes: 0,
    dispatches: 0,
    copies: 0,
    writes: 0,
    submits: 0,
  };
  const gpu = new RecordingGpu(recorded) as unknown as GPUDevice;
  return {
    device: new WebGPUDevice(gpu, { ...floorLimits, ...limits }, { name: 'recording', ...rest }),
    recorded,
  };
}

function refuse(message: string): never {
  throw new DeviceError(`recording: ${message}. This is a bug in a kernel or in the device.`);
}

class RecordingBuffer {
  readonly size: number;
  readonly #recorded: Recorded;
  #dead = false;

  constructor(size: number, recorded: Recorded) {
    this.size = size;
    this.#recorded = recorded;
    recorded.buffers++;
    recorded.bytes += size;
    recorded.liveBytes += size;
  }

  use(): void {
    if (this.#dead) refuse('buffers must live while they are used, a destroyed one was used');
  }

  async mapAsync(): Promise<void> {
    this.use();
  }

  getMappedRange(_: number, bytes: number): ArrayBuffer {
    return new ArrayBuffer(bytes);
  }

  unmap(): void {}

  destroy(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#recorded.liveBytes -= this.size;
  }
}

interface RecordingGroup {
  readonly buffers: readonly RecordingBuffer[];
  readonly written: readonly boolean[];
}

interface RecordingLayout {
  readonly entries: readonly { readonly buffer: { readonly type: string } }[];
}

/** The part of GPUDevice that Seq uses. */
class RecordingGpu {
  readonly lost: Promise<never> = new Promise(() => {});
  readonly features: ReadonlySet<string> = new Set();
  readonly queue: object;
  readonly #recorded: Recorded;

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
    this.queue = {
      writeBuffer: (buffer: RecordingBuffer) => {
        buffer.use();
        recorded.writes++;
      },
      submit: () => {
        recorded.submits++;
      },
      onSubmittedWorkDone: () => Promise.resolve(),
    };
  }

  createBuffer({ size }: { size: number }): RecordingBuffer {
    return new RecordingBuffer(size, this.#recorded);
  }

  createShaderModule(): object {
    this.#recorded.shaderModules++;
    return {};
  }

  createBindGroupLayout(layout: RecordingLayout): RecordingLayout {
    return layout;
  }

  createPipelineLayout(): object {
    return {};
  }

  async createComputePipelineAsync(): Promise<object> {
    this.#recorded.pipelines++;
    return {};
  }

  createBindGroup({
    layout,
    entries,
  }: {
    layout: RecordingLayout;
    entries: readonly { resource: { buffer: RecordingBuffer } }[];
  }): RecordingGroup {
    this.#recorded.bindGroups++;
    const buffers = entries.map((e) => e.resource.buffer);
    const written = layout.entries.map((e) => e.buffer.type === 'storage');
    buffers.forEach((b, i) => {
      b.use();
      if (written[i] && buffers.indexOf(b) !== buffers.lastIndexOf(b)) {
        refuse('a buffer must not be written and bound a second time in one dispatch');
      }
    });
    return { buffers, written };
  }

  createCommandEncoder(): object {
    const recorded = this.#recorded;
    recorded.encoders++;
    return {
      beginComputePass: () => {
        recorded.passes++;
        return {
          setPipeline: () => {},
          setBindGroup: (_: number, group: RecordingGroup) => group.buffers.forEach((b) => b.use()),
          dispatchWorkgroups: (...counts: number[]) => {
            if (counts.some((n) => n > maxWorkgroups)) {
              refuse(
                `a grid must have at most ${maxWorkgroups} workgroups a dimension, got ${counts.join('×')}`,
              );
            }
            recorded.dispatches++;
          },
          end: () => {},
        };
      },
      copyBufferToBuffer: (from: RecordingBuffer, _: number, to: RecordingBuffer) => {
        from.use();
        to.use();
        recorded.copies++;
      },
      finish: () => ({}),
    };
  }

  pushErrorScope(): void {}

  popErrorScope(): Promise<null> {
    return Promise.resolve(null);
  }

  destroy(): void {}
}
