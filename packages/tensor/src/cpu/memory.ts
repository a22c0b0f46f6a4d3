import type { DeviceCounters, DeviceMemory } from '../device.js';
import type { DType, TypedArray } from '../engine/dtype.js';
import { bytesPerElement, typedView } from '../engine/dtype.js';
import { MemoryError } from '../engine/errors.js';
import type { DeviceBuffer } from '../engine/value.js';
import type { Heap } from './heap.js';

/** Where a block lies: the heap, or an ArrayBuffer of its own. */
interface Home {
  readonly buffer: ArrayBuffer;
}

/** A block of memory of the CPU device. */
export class CpuBuffer implements DeviceBuffer {
  readonly bytes: number;
  readonly byteOffset: number;
  readonly home: Home;
  #view: TypedArray | null = null;
  #dtype: DType | null = null;
  /** What the view was made of: when the heap grows it is made anew. */
  #of: ArrayBuffer | null = null;

  constructor(bytes: number, home: Home, byteOffset: number) {
    this.bytes = bytes;
    this.home = home;
    this.byteOffset = byteOffset;
  }

  /** The memory in which the block lies at this moment. */
  get memory(): ArrayBuffer {
    return this.home.buffer;
  }

  /** All of it as elements of a type; made once as long as the memory stays. Not to be kept across allocations. */
  as(dtype: DType): TypedArray {
    const { buffer } = this.home;
    if (this.#dtype !== dtype || this.#of !== buffer) {
      this.#dtype = dtype;
      this.#of = buffer;
      const length = Math.floor(capacityOf(this.bytes) / bytesPerElement(dtype));
      this.#view = typedView(dtype, buffer, this.byteOffset, length);
    }
    return this.#view!;
  }
}

const capacityOf = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Fills memory with bits that are NaN as f32 and f64 and far out of range as an index. */
export function poison(
  memory: ArrayBufferLike,
  byteOffset: number = 0,
  bytes: number = memory.byteLength,
): void {
  const words = Math.floor(bytes / 4);
  new Uint32Array(memory, byteOffset, words).fill(0x7fffffff);
  new Uint8Array(memory, byteOffset + words * 4, bytes - words * 4).fill(0x7f);
}

/** Memory by exact size, kept for reuse up to a limit, oldest sizes given back first. */
export class CpuPool {
  readonly #free = new Map<number, CpuBuffer[]>();
  readonly #counters: DeviceCounters;
  readonly #poison: boolean;
  readonly #limit: number;
  readonly #heap: Heap | null;
  #live = 0;
  #peak = 0;
  #pooled = 0;

  constructor(counters: DeviceCounters, limit: number, poisoned: boolean, heap: Heap | null) {
    this.#counters = counters;
    this.#limit = limit;
    this.#poison = poisoned;
    this.#heap = heap;
  }

  /** A block; views of other blocks made before may be dead afterwards. */
  allocate(bytes: number): CpuBuffer {
    const recycled = this.#free.get(bytes)?.pop();
    if (recycled !== undefined) this.#pooled -= bytes;
    else this.#counters.allocations++;
    const buffer = recycled ?? this.#fresh(bytes);
    if (this.#poison) poison(buffer.memory, buffer.byteOffset, capacityOf(bytes));
    this.#live += bytes;
    if (this.#live > this.#peak) this.#peak = this.#live;
    return buffer;
  }

  #fresh(bytes: number): CpuBuffer {
    const heap = this.#heap;
    if (heap === null) {
      try {
        return new CpuBuffer(bytes, { buffer: new ArrayBuffer(capacityOf(bytes)) }, 0);
      } catch {
        throw new MemoryError(
          `cpu: the system must grant ${bytes} bytes, it refused; ${this.#live} bytes are in use. Use smaller batches or shorter sequences.`,
        );
      }
    }
    let at = heap.take(bytes);
    if (at === -1 && this.#pooled > 0) {
      // What is kept for reuse may leave room together.
      this.#trim(0);
      at = heap.take(bytes);
    }
    if (at === -1) {
      heap.grow(bytes, this.#live);
      at = heap.take(bytes);
    }
    return new CpuBuffer(bytes, heap, at);
  }

  free(buffer: CpuBuffer): void {
    this.#live -= buffer.bytes;
    this.#pooled += buffer.bytes;
    const list = this.#free.get(buffer.bytes);
    if (list === undefined) this.#free.set(buffer.bytes, [buffer]);
    else list.push(buffer);
    this.#trim(this.#limit);
  }

  /** Gives blocks back until no more than `limit` bytes are kept. */
  #trim(limit: number): void {
    for (const [bytes, blocks] of this.#free) {
      if (this.#pooled <= limit) break;
      while (blocks.length > 0 && this.#pooled > limit) {
        const block = blocks.pop()!;
        this.#heap?.give(block.byteOffset, bytes);
        this.#pooled -= bytes;
      }
      if (blocks.length === 0) this.#free.delete(bytes);
    }
  }

  report(tensors: number): DeviceMemory {
    return { tensors, bytes: this.#live, peakBytes: this.#peak, pooledBytes: this.#pooled };
  }

  resetPeak(): void {
    this.#peak = this.#live;
  }
}
