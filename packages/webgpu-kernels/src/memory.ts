import type { DeviceCounters, DeviceMemory } from '@seq/tensor';
import { usage } from './constants.js';
import { MemoryError } from '@seq/tensor';
import type { DType } from '@seq/tensor';
import type { DeviceBuffer, Value } from '@seq/tensor/engine';
import { patient } from './patient.js';

/** A block of GPU memory. */
export class GpuBlock implements DeviceBuffer {
  readonly bytes: number;
  readonly buffer: GPUBuffer;
  /** Distinguishes blocks in keys; never used twice. */
  readonly id: number;
  /** Number of the last recorded command that touches it. */
  lastUse = -1;
  /** The driver had no memory for it: never to be used again. */
  refused = false;
  /** Parts of it that are in use by themselves; it is free when there are none left. */
  parts = 0;

  constructor(bytes: number, buffer: GPUBuffer, id: number) {
    this.bytes = bytes;
    this.buffer = buffer;
    this.id = id;
  }
}

/** A part of a block, for one of several tensors that lie side by side. */
export class GpuPart implements DeviceBuffer {
  readonly block: GpuBlock;
  /** Where it begins, in bytes. */
  readonly start: number;
  readonly bytes: number;

  constructor(block: GpuBlock, start: number, bytes: number) {
    this.block = block;
    this.start = start;
    this.bytes = bytes;
    block.parts++;
  }
}

/** Memory of an operand: a block and the element where it begins. */
export interface Place {
  block: GpuBlock;
  offset: number;
}

/** Where a value lies. */
export function placeOf({ storage, offset }: Pick<Value, 'storage' | 'offset'>): Place {
  const { buffer } = storage;
  if (!(buffer instanceof GpuPart)) return { block: buffer as GpuBlock, offset };
  return { block: buffer.block, offset: offset + buffer.start / gpuBytes(storage.dtype) };
}

/** Bytes of one element in GPU memory: a bool takes a word. */
export function gpuBytes(dtype: DType): number {
  return dtype === 'f64' ? 8 : dtype === 'f16' ? 2 : 4;
}

/** Bytes of a tensor in GPU memory: whole words, at least one. */
export function tensorBytes(dtype: DType, length: number): number {
  return Math.max(4, Math.ceil((length * gpuBytes(dtype)) / 4) * 4);
}

/**
 * Sizes of blocks: multiples of 256 bytes, above 64 KiB in steps of an eighth of the next power of two, so that
 * neighbouring sizes share blocks.
 */
export function blockBytes(bytes: number): number {
  const step = bytes <= 65_536 ? 256 : 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** What the pool needs of the device that owns it. */
export interface PoolHost {
  readonly gpu: GPUDevice;
  readonly counters: DeviceCounters;
  readonly bindingBytes: number;
  /** Number of the first command that was not submitted. */
  readonly unsubmitted: number;
  /** Called with what the driver answers later when it has no memory; commands from `sequence` on may have used it. */
  onRefused(error: MemoryError, sequence: number): void;
}

/** GPU memory by size, kept for reuse up to a limit, oldest sizes given back first. */
export class GpuPool {
  readonly #host: PoolHost;
  readonly #limit: number;
  readonly #free = new Map<number, GpuBlock[]>();
  #live = 0;
  #peak = 0;
  #pooled = 0;
  #ids = 0;
  readonly #asked = new Set<Promise<MemoryError | null>>();

  constructor(host: PoolHost, limit: number) {
    this.#host = host;
    this.#limit = limit;
  }

  /**
   * @throws MemoryError  at once when a block is larger than the adapter binds; later, through `onRefused`, when the
   *                      driver has no memory
   */
  allocate(wanted: number): GpuBlock {
    const { gpu, counters, bindingBytes } = this.#host;
    if (wanted > bindingBytes) {
      throw new MemoryError(
        `webgpu: a tensor must fit one binding of ${bindingBytes} bytes on this adapter, it needs ${wanted}. Split it, or use smaller batches or shorter sequences.`,
      );
    }
    const bytes = Math.min(blockBytes(wanted), Math.max(wanted, bindingBytes - (bindingBytes % 4)));
    let block = this.#free.get(bytes)?.pop();
    if (block === undefined) {
      counters.allocations++;
      gpu.pushErrorScope('out-of-memory');
      const buffer = gpu.createBuffer({
        size: bytes,
        usage: usage.storage | usage.copySource | usage.copyTarget,
      });
      block = new GpuBlock(bytes, buffer, this.#ids++);
      this.#await(
        block,
        patient(gpu, () => gpu.popErrorScope()),
      );
    } else this.#pooled -= bytes;
    this.#live += bytes;
    if (this.#live > this.#peak) this.#peak = this.#live;
    return block;
  }

  /** Waits for the driver's answer to a block that was just made. */
  #await(block: GpuBlock, answer: Promise<GPUError | null>): void {
    const [live, sequence] = [this.#live, this.#host.unsubmitted];
    const asked = answer.then(
      (error) => {
        if (error === null) return null;
        this.#discard(block);
        const refused = new MemoryError(
          `webgpu: the driver must grant ${block.bytes} bytes, it refused; ${live} bytes were in use. Use smaller batches or shorter sequences.`,
        );
        this.#host.onRefused(refused, sequence);
        return refused;
      },
      () => null, // the device is lost: reported where it was noticed
    );
    this.#asked.add(asked);
    void asked.then(() => this.#asked.delete(asked));
  }

  /** Waits until the driver has answered for all blocks made so far; the first refusal among them, or null. */
  async granted(): Promise<MemoryError | null> {
    const answers = await Promise.all(this.#asked);
    return answers.find((error) => error !== null) ?? null;
  }

  /** Never lends a block again. */
  #discard(block: GpuBlock): void {
    block.refused = true;
    const list = this.#free.get(block.bytes);
    const i = list?.indexOf(block) ?? -1;
    if (i < 0) return;
    list!.splice(i, 1);
    this.#pooled -= block.bytes;
    this.retire(block);
  }

  free(block: GpuBlock): void {
    this.#live -= block.bytes;
    if (block.refused) {
      this.retire(block);
      return;
    }
    this.#pooled += block.bytes;
    // The oldest block is taken first: what repeats gets the same blocks again, and with them the same bind groups.
    const list = this.#free.get(block.bytes);
    if (list === undefined) this.#free.set(block.bytes, [block]);
    else {
      let i = list.length;
      while (i > 0 && list[i - 1].id < block.id) i--;
      list.splice(i, 0, block);
    }
    if (this.#pooled > this.#limit) this.#trim(this.#limit);
  }

  /** Gives back what is kept for reuse beyond so many bytes. Commands that were submitted keep their memory. */
  #trim(limit: number): void {
    for (const [bytes, blocks] of this.#free) {
      while (blocks.length > 0 && this.#pooled > limit) {
        this.retire(blocks.shift()!);
        this.#pooled -= bytes;
      }
      if (blocks.length === 0) this.#free.delete(bytes);
      if (this.#pooled <= limit) return;
    }
  }

  /** Destroys a block once the commands that use it are submitted; set by the device. */
  retire: (block: GpuBlock) => void = (block) => block.buffer.destroy();

  report(tensors: number): DeviceMemory {
    return { tensors, bytes: this.#live, peakBytes: this.#peak, pooledBytes: this.#pooled };
  }

  resetPeak(): void {
    this.#peak = this.#live;
  }

  dispose(): void {
    this.#trim(0);
  }
}
