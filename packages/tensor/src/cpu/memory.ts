import type { DeviceCounters, DeviceMemory } from '../device.js';
import type { DType, TypedArray } from '../engine/dtype.js';
import { bytesPerElement, typedView } from '../engine/dtype.js';
import { MemoryError } from '../engine/errors.js';
import type { DeviceBuffer } from '../engine/value.js';

/** A block of memory of the CPU device. */
export class CpuBuffer implements DeviceBuffer {
  readonly bytes: number;
  readonly memory: ArrayBuffer;
  #view: TypedArray | null = null;
  #dtype: DType | null = null;

  constructor(bytes: number, memory: ArrayBuffer) {
    this.bytes = bytes;
    this.memory = memory;
  }

  /** All of it as elements of a type; made once. */
  as(dtype: DType): TypedArray {
    if (this.#dtype !== dtype) {
      this.#dtype = dtype;
      this.#view = typedView(
        dtype,
        this.memory,
        0,
        Math.floor(this.memory.byteLength / bytesPerElement(dtype)),
      );
    }
    return this.#view!;
  }
}

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
  readonly #free = new Map<number, ArrayBuffer[]>();
  readonly #counters: DeviceCounters;
  readonly #poison: boolean;
  readonly #limit: number;
  #live = 0;
  #peak = 0;
  #pooled = 0;

  constructor(counters: DeviceCounters, limit: number, poisoned: boolean) {
    this.#counters = counters;
    this.#limit = limit;
    this.#poison = poisoned;
  }

  allocate(bytes: number): CpuBuffer {
    const list = this.#free.get(bytes);
    const capacity = Math.ceil(bytes / 8) * 8;
    let memory = list?.pop();
    if (memory === undefined) {
      this.#counters.allocations++;
      try {
        memory = new ArrayBuffer(capacity);
      } catch {
        throw new MemoryError(
          `cpu: the system must grant ${bytes} bytes, it refused; ${this.#live} bytes are in use. Use smaller batches or shorter sequences.`,
        );
      }
    } else this.#pooled -= bytes;
    if (this.#poison) poison(memory);
    this.#live += bytes;
    if (this.#live > this.#peak) this.#peak = this.#live;
    return new CpuBuffer(bytes, memory);
  }

  free(buffer: CpuBuffer): void {
    this.#live -= buffer.bytes;
    this.#pooled += buffer.bytes;
    const list = this.#free.get(buffer.bytes);
    if (list === undefined) this.#free.set(buffer.bytes, [buffer.memory]);
    else list.push(buffer.memory);
    for (const [bytes, blocks] of this.#free) {
      if (this.#pooled <= this.#limit) break;
      while (blocks.length > 0 && this.#pooled > this.#limit) {
        blocks.pop();
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
