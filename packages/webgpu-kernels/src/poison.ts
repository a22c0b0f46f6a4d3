import { usage } from './constants.js';
import { GpuBlock } from './memory.js';
import type { Queue } from './queue.js';

/** Bytes of f32 and f16 that are no number. */
export const nans = (bytes: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new Uint32Array(bytes / 4).fill(0x7fff_ffff).buffer);

/** Bytes that a copy fills at most. */
const SIZE = 65_536;

/** NaN for memory that recorded work still uses, by copies: unlike writes they do not end a submission. */
export class Poison {
  readonly #source: GpuBlock;
  readonly #queue: Queue;

  constructor(gpu: GPUDevice, queue: Queue) {
    const buffer = gpu.createBuffer({ label: 'NaN', size: SIZE, usage: usage.copySource | usage.copyTarget });
    gpu.queue.writeBuffer(buffer, 0, nans(SIZE));
    this.#source = new GpuBlock(SIZE, buffer, -1);
    this.#queue = queue;
  }

  /** Records that a block is filled. */
  fill(block: GpuBlock): void {
    for (let toByte = 0; toByte < block.bytes; toByte += SIZE) {
      const bytes = Math.min(SIZE, block.bytes - toByte);
      this.#queue.record({ kind: 'copy', from: this.#source, fromByte: 0, to: block.buffer, toByte, bytes });
    }
    block.lastUse = this.#source.lastUse;
  }

  dispose(): void {
    this.#source.buffer.destroy();
  }
}
