import { MemoryError } from '../engine/errors.js';
import { SHARED_FROM } from '../threads/cut.js';
import type { Sharing } from '../threads/sharing.js';
import type { Task, Team } from '../threads/team.js';
import {
  BASE,
  compile,
  GUEST_AT,
  GUEST_BYTES,
  HEAP_BASE,
  MAX_PAGES,
  TILE_ROWS,
  WORKPLACE,
} from '../wasm/load.js';
import type { Builds, Compiled } from '../wasm/load.js';
import type { Kernels } from '../wasm/kernels.js';
import { builds as core } from '../wasm/modules.js';

const PAGE = 65536;
const MAX_BYTES = MAX_PAGES * PAGE;
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

type Exports = Record<string, (...args: readonly number[]) => void>;

/**
 * Kernels of another package, on the heap of a device; K is what they export. A value like any other: nothing is
 * compiled before a device runs them.
 */
export interface KernelModule<K> {
  readonly builds: Builds;
  /** Never there; it ties the exports to the type. */
  readonly exports?: K;
}

/**
 * Declares the WebAssembly kernels of a package; see docs/cpu.md.
 *
 * @param builds  what the package's `src/wasm/modules.ts` holds
 */
export function defineKernels<K>(builds: Builds): KernelModule<K> {
  return { builds };
}

interface Guest {
  readonly kernels: Exports;
  /** Its number among the modules of the team; −1 where it runs on this thread alone. */
  readonly module: number;
  /** What stands in the place of guests while its kernels run. */
  readonly constants: Uint8Array;
}

/**
 * One growing WebAssembly memory, in blocks, and the kernels that work on it.
 *
 * Growing replaces `buffer`; views of the old one are dead, so whoever keeps a view compares the buffer it was made
 * from with the present one before using it. Kernels never allocate: within one no view dies.
 */
export class Heap {
  readonly build: 'relaxed' | 'plain';
  /** Long ones run on all threads. */
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** The memory at this moment. */
  buffer: ArrayBuffer;
  /** Free blocks in the order of their addresses, none adjacent to the next. */
  readonly #free: Range[];
  readonly #guests = new Map<Builds, Guest | null>();
  /** Whose constants stand in the place of guests. */
  #present: Guest | null = null;
  /** The workers on this memory; null where one thread does all. */
  readonly team: Team | null;
  readonly #core: Exports;

  /**
   * @param threads  with more than 1, which take `sharing`, the memory is shared, and `bytes` the module for it
   * @throws what the engine throws when it grants no memory
   */
  constructor({ build, module, bytes }: Compiled, threads: number, sharing: Sharing | null) {
    this.build = build;
    const shared = threads > 1;
    this.memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MAX_PAGES, shared });
    new Int32Array(this.memory.buffer)[TILE_ROWS / 4] = build === 'relaxed' ? 6 : 4;
    this.#core = this.#instance(module) as Exports;
    const kernels = this.#core as unknown as Kernels;
    // The workplaces of the workers lie behind that of the first thread.
    const base = HEAP_BASE + (threads - 1) * WORKPLACE;
    if (shared && sharing !== null) {
      const bases = Array.from({ length: threads - 1 }, (_, i) => HEAP_BASE + i * WORKPLACE);
      this.team = new sharing.Team(this.memory, bases);
      const number = this.team.admit(bytes);
      this.kernels = sharing.cutKernels(kernels, (name, count, step, work, args) =>
        this.#share(this.#core, number, name, count, step, work, args),
      );
    } else {
      this.team = null;
      this.kernels = kernels;
    }
    this.buffer = this.memory.buffer;
    heaps.set(this.buffer, this);
    this.#free = [{ at: base, bytes: this.buffer.byteLength - base }];
  }

  #instance(module: WebAssembly.Module, tensor: WebAssembly.ModuleImports = {}): WebAssembly.Exports {
    return new WebAssembly.Instance(module, { env: { memory: this.memory, base: BASE }, tensor }).exports;
  }

  /** The kernels of a room, ready to run until those of another are asked for; null where it has none for the build. */
  guest<K>(module: KernelModule<K>): K | null {
    return (this.#guest(module.builds)?.kernels ?? null) as K | null;
  }

  #guest(builds: Builds): Guest | null {
    let guest = this.#guests.get(builds);
    if (guest === undefined) this.#guests.set(builds, (guest = this.#admit(builds)));
    if (guest === null) return null;
    if (guest !== this.#present) {
      this.#place().set(guest.constants);
      this.#present = guest;
    }
    return guest;
  }

  /** Runs a kernel of a room on `count` units, in parts where that pays; false where it has none for the build. */
  runGuest(
    builds: Builds,
    name: string,
    count: number,
    work: number,
    args: (from: number, to: number) => readonly number[],
  ): boolean {
    const guest = this.#guest(builds);
    if (guest === null) return false;
    this.#share(guest.kernels, guest.module, name, count, 1, work, args);
    return true;
  }

  #share(
    exports: Exports,
    module: number,
    name: string,
    count: number,
    step: number,
    work: number,
    args: (from: number, to: number) => readonly number[],
  ): void {
    const { team } = this;
    let parts = 1;
    if (team !== null && module >= 0 && work >= SHARED_FROM) {
      team.start();
      parts = Math.min(team.threads, Math.ceil(count / step), Math.floor((2 * work) / SHARED_FROM));
    }
    if (parts <= 1) {
      exports[name](...args(0, count));
      return;
    }
    const kernel = Object.keys(exports).indexOf(name);
    const each = Math.ceil(count / parts / step) * step;
    const tasks: Task[] = [];
    for (let from = 0; from < count; from += each)
      tasks.push({ module, kernel, args: args(from, Math.min(count, from + each)) });
    team!.run(tasks, (task) => exports[name](...task.args));
  }

  #admit(builds: Builds): Guest | null {
    const found = compile(builds, this.build, this.team !== null);
    if (found === null || found.build !== this.build) return null;
    this.#present = null;
    const place = this.#place().fill(0);
    const kernels = this.#instance(found.module, this.#core) as Exports;
    return { kernels, constants: place.slice(), module: this.team?.admit(found.bytes) ?? -1 };
  }

  #place(): Uint8Array {
    return new Uint8Array(this.buffer, GUEST_AT, GUEST_BYTES);
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
export function createHeap(
  wasm: boolean | 'plain',
  threads: number,
  sharing: Sharing | null = null,
): Heap | null {
  if (wasm === false) return null;
  const found = compile(core, wasm === 'plain' ? 'plain' : 'relaxed', threads > 1);
  if (found === null) return null;
  try {
    return new Heap(found, threads, sharing);
  } catch {
    // A system that grants no shared memory may grant one that is not.
    return threads > 1 ? createHeap(wasm, 1) : null;
  }
}
