import { mapForReading, usage } from './constants.js';
import type { GpuBlock } from './memory.js';
import { blockBytes } from './memory.js';
import type { Queue } from './queue.js';
import { patient } from './patient.js';

/** A buffer of the host that recorded work copies into. */
export interface Staged {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
}

/** Brings bytes back from the GPU, through buffers that are used again and again. */
export class Readback {
  readonly #gpu: GPUDevice;
  readonly #queue: Queue;
  readonly #idle = new Map<number, GPUBuffer[]>();

  constructor(gpu: GPUDevice, queue: Queue) {
    this.#gpu = gpu;
    this.#queue = queue;
  }

  /** Records a copy of bytes of a block to the host. */
  stage(from: GpuBlock, fromByte: number, bytes: number): Staged {
    const size = blockBytes(bytes);
    const buffer =
      this.#idle.get(size)?.pop() ??
      this.#gpu.createBuffer({ label: 'staging', size, usage: usage.mapRead | usage.copyTarget });
    this.#queue.record({ kind: 'copy', from, fromByte, to: buffer, toByte: 0, bytes });
    return { buffer, bytes };
  }

  /** What has been copied, once all of it is there. The work must be submitted. */
  read(staged: readonly Staged[]): Promise<ArrayBuffer[]> {
    return Promise.all(
      staged.map(async ({ buffer, bytes }) => {
        await patient(this.#gpu, () => buffer.mapAsync(mapForReading, 0, bytes));
        const copy = buffer.getMappedRange(0, bytes).slice(0);
        buffer.unmap();
        const list = this.#idle.get(buffer.size);
        if (list) list.push(buffer);
        else this.#idle.set(buffer.size, [buffer]);
        return copy;
      }),
    );
  }
}
