import { MemoryError } from '../engine/errors.js';
import { HEAP_BASE, instantiate } from '../wasm/load.js';
import type { Build, Instance } from '../wasm/load.js';
import type { Kernels } from '../wasm/kernels.js';

const PAGE = 65536;
/** What 32-bit addresses reach. */
const MAX_BYTES = 2 ** 32;
const FIRST_PAGES = 256;
/** The heap doubles until it grows by this much at once. */
const MAX_STEP = 256 * 2 ** 20;
/** Blocks begin at whole cache lines. */
const ALIGN = 64;

interface Range {
  at: number;
  bytes: number;
}

const heaps: WeakMap<ArrayBufferLike, Heap> = /* @__PURE__ */ new WeakMap();

/** The heap whose present memory this is, if any. */
export function heapOf(buffer: ArrayBufferLike): Heap | null {
  return heaps.get(buffer) ?? null;
}

/**
 * One growing WebAssembly memory, in blocks.
 *
 * Growing replaces `buffer`; views of the old one are dead, so whoever keeps a view compares the buffer it was made
 * from with the present one before using it. Kernels never allocate: within one no view dies.
 */
export class Heap {
  readonly build: Build;
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** The memory at this moment. */
  buffer: ArrayBuffer;
  /** Free blocks in the order of their addresses, none adjacent to the next. */
  readonly #free: Range[];

  constructor({ build, kernels, memory }: Instance) {
    this.build = build;
    this.kernels = kernels;
    this.memory = memory;
    this.buffer = memory.buffer;
    heaps.set(this.buffer, this);
    this.#free = [{ at: HEAP_BASE, bytes: this.buffer.byteLength - HEAP_BASE }];
  }

  /** The address of a free block, or −1 when none is large enough; the smallest that fits is cut. */
  take(bytes: number): number {
    const want = roundUp(bytes);
    if (want === 0) return HEAP_BASE;
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const b = this.#free[i].bytes;
      if (b >= want && (best === -1 || b < this.#free[best].bytes)) best = i;
      if (b === want) break;
    }
    if (best === -1) return -1;
    const range = this.#free[best];
    const { at } = range;
    if (range.bytes === want) this.#free.splice(best, 1);
    else {
      range.at += want;
      range.bytes -= want;
    }
    return at;
  }

  /** Gives a block back; it merges with its free neighbours. */
  give(at: number, bytes: number): void {
    const size = roundUp(bytes);
    if (size === 0) return;
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#free[middle].at < at) low = middle + 1;
      else high = middle;
    }
    const before = this.#free[low - 1];
    const after = this.#free[low];
    const joinsBefore = before !== undefined && before.at + before.bytes === at;
    const joinsAfter = after !== undefined && at + size === after.at;
    if (joinsBefore) {
      before.bytes += size;
      if (joinsAfter) {
        before.bytes += after.bytes;
        this.#free.splice(low, 1);
      }
    } else if (joinsAfter) {
      after.at = at;
      after.bytes += size;
    } else this.#free.splice(low, 0, { at, bytes: size });
  }

  /**
   * Makes room for a block at the end; all views die.
   *
   * @throws MemoryError beyond 4 GiB, or when the system refuses
   */
  grow(bytes: number, used: number): void {
    const now = this.buffer.byteLength;
    const last = this.#free[this.#free.length - 1];
    const open = last !== undefined && last.at + last.bytes === now ? last.bytes : 0;
    const least = Math.ceil((roundUp(bytes) - open) / PAGE) * PAGE;
    const limit = Math.floor((MAX_BYTES - now) / PAGE) * PAGE;
    if (least > limit) {
      throw new MemoryError(
        `cpu: the heap must stay within the 4 GiB that WebAssembly addresses, got a request for ${bytes} bytes with ` +
          `${used} in use. Use smaller batches or shorter sequences, or createCpu({ wasm: false }), which has no such limit.`,
      );
    }
    const wanted = Math.min(limit, Math.max(least, Math.min(now, MAX_STEP)));
    if (!this.#grown(wanted) && !this.#grown(least)) {
      throw new MemoryError(
        `cpu: the system must grant ${bytes} bytes, it refused; ${used} bytes are in use. Use smaller batches or shorter sequences.`,
      );
    }
  }

  #grown(bytes: number): boolean {
    const now = this.buffer.byteLength;
    try {
      this.memory.grow(bytes / PAGE);
    } catch {
      return false;
    }
    this.buffer = this.memory.buffer;
    heaps.set(this.buffer, this);
    this.give(now, bytes);
    return true;
  }
}

const roundUp = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

/** A heap with kernels, or null where loops over typed arrays must do. */
export function createHeap(wasm: boolean | 'plain'): Heap | null {
  if (wasm === false) return null;
  const instance = instantiate(wasm === 'plain' ? 'plain' : 'relaxed', FIRST_PAGES);
  return instance === null ? null : new Heap(instance);
}
