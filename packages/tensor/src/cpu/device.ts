import { announceCopy } from '../announce.js';
import type { Device, DeviceCounters, DeviceMemory } from '../device.js';
import type { DType, TypedArray } from '../engine/dtype.js';
import { bytesPerElement, sizeOf, typedView } from '../engine/dtype.js';
import { OptionError } from '../engine/errors.js';
import { isContiguous } from '../engine/layout.js';
import type { CpuView, Op } from '../engine/op.js';
import { inplacePairs } from '../engine/op.js';
import type { Executable, Planning, Program } from '../engine/program.js';
import type { DeviceBuffer, Node, Storage, Value } from '../engine/value.js';
import { newValue, siteOf } from '../engine/value.js';
import { copyInto } from '../ops/shape.js';
import { BoundProgram } from './bound.js';
import type { Build } from '../wasm/load.js';
import type { Heap } from './heap.js';
import { createHeap } from './heap.js';
import type { Sharing } from '../threads/sharing.js';
import { runKernel } from './kernel.js';
import type { CpuBuffer } from './memory.js';
import { PackedMatrices, rowProducts } from './packed.js';
import type { RowProduct } from './packed.js';
import { CpuPool } from './memory.js';

/** Options of a CPU device; the defaults are those of `cpu()`. */
export interface CpuOptions {
  /** Shown in messages. */
  name?: string;
  /** Looks for NaN and +∞ after every kernel and names the op, its line and the step. Slow; default false. */
  checkNumerics?: boolean;
  /** Fills recycled memory with NaN before it is used again, for tests; default false. */
  poison?: boolean;
  /** Runs ops as their references and ignores their own kernels and gradient rules, for tests; default false. */
  references?: boolean;
  /** Remembers where every live tensor was made, for `leaks()`; default false. */
  trackLeaks?: boolean;
  /** Bytes of freed memory kept for reuse; default 256 MiB. */
  poolBytes?: number;
  /**
   * WebAssembly kernels for f32 where the engine has SIMD; default true. `'plain'` leaves relaxed SIMD aside,
   * false runs loops over typed arrays, the reference of all kernels.
   */
  wasm?: boolean | 'plain';
  /**
   * Threads that long kernels may use, this one included, from 1 to 16; default 1. The results have the same bits for any
   * number. Needs WebAssembly and a shared memory, in pages cross-origin isolation; see `threadsOff`.
   */
  threads?: number;
}

/** Operations gathered before they are run. */
const maxPending = 1024;
/** Bytes of results gathered before they are run. */
const maxPendingBytes = 64 * 2 ** 20;

const planning: Planning = {
  bytesOf: (dtype, length) => length * bytesPerElement(dtype),
  strided: (op) => op.strided === true,
  inplace: inplacePairs,
  scratch(op, inputs, _, attrs) {
    const bytes = op.scratch?.(inputs, attrs) ?? 0;
    return bytes > 0 ? [bytes] : [];
  },
  separate: false,
};

/**
 * The CPU device: WebAssembly kernels for f32, loops over typed arrays for all else, f64 for gradient checks.
 *
 * Gathered operations run in the order in which they were recorded; those whose results nobody needs any more
 * do not run at all.
 */
export class CpuDevice implements Device {
  readonly kind = 'cpu';
  readonly name: string;
  readonly checkNumerics: boolean;
  readonly keepsSites: boolean;
  readonly referencesOnly: boolean;
  readonly poison: boolean;
  readonly planning: Planning = planning;
  readonly counters: DeviceCounters = {
    kernels: 0,
    plans: 0,
    replays: 0,
    flushes: 0,
    allocations: 0,
    reads: 0,
  };
  step: string | null = null;
  /** The WebAssembly memory in which all values lie; null without WebAssembly. */
  readonly heap: Heap | null;
  readonly #pool: CpuPool;
  readonly #alone: string | null;
  readonly #wanted: number;
  readonly #packed: PackedMatrices;
  #pending: Node[] = [];
  #pendingBytes = 0;
  #alive = 0;
  readonly #origins: Map<Storage, Error> | null;
  /** The first error of gathered work that nobody has been told of. */
  #late: unknown = null;

  /** @param sharing  what more threads than one take, where they may be asked for */
  constructor(options: CpuOptions = {}, sharing: Sharing | null = null) {
    const {
      name = 'cpu',
      checkNumerics = false,
      poison = false,
      references = false,
      trackLeaks = false,
      poolBytes = 256 * 2 ** 20,
      wasm = true,
      threads = 1,
    } = options;
    announceCopy();
    if (wasm !== true && wasm !== false && wasm !== 'plain') {
      throw new OptionError(`createCpu: wasm must be true, false or 'plain', got ${JSON.stringify(wasm)}.`);
    }
    this.name = name;
    this.checkNumerics = checkNumerics;
    this.keepsSites = checkNumerics;
    this.referencesOnly = references;
    this.poison = poison;
    this.#origins = trackLeaks ? new Map() : null;
    if (!Number.isInteger(threads) || threads < 1 || threads > 16) {
      throw new OptionError(
        `createCpu: threads must be an integer from 1 to 16, got ${threads}. navigator.hardwareConcurrency says what a machine has.`,
      );
    }
    const alone = threads === 1 ? null : sharing === null ? 'only createCpu makes them' : sharing.whyAlone();
    this.heap = createHeap(wasm, alone === null ? threads : 1, sharing);
    this.#alone = alone;
    this.#wanted = threads;
    this.#pool = new CpuPool(this.counters, poolBytes, poison, this.heap);
    this.#packed = new PackedMatrices(
      (dtype, length) => this.allocate(dtype, length),
      (buffer) => this.free(buffer),
    );
  }

  /** Which kernels run: those of WebAssembly with relaxed or plain SIMD, or loops over typed arrays. */
  get build(): Build {
    return this.heap?.build ?? 'loops';
  }

  /** Threads that take part in long kernels at this moment: workers start with the first of these, and count when ready. */
  get threads(): number {
    return this.heap?.team?.threads ?? 1;
  }

  /** Why `threads` of the options came to nothing; null when it did not, or when one was asked for. */
  get threadsOff(): string | null {
    if (this.#wanted === 1) return null;
    if (this.heap === null) return 'there is no WebAssembly here';
    return (
      this.#alone ?? (this.heap.team === null ? 'the system grants no shared memory' : this.heap.team.refused)
    );
  }

  memory(): DeviceMemory {
    return this.#pool.report(this.#alive);
  }

  /**
   * What is alive at this moment and the line that made it, largest first.
   *
   * @throws OptionError without `trackLeaks`
   */
  leaks(): readonly { readonly dtype: DType; readonly bytes: number; readonly site: string }[] {
    if (this.#origins === null) {
      throw new OptionError(
        'leaks: the device must track its tensors. Make it with createCpu({ trackLeaks: true }).',
      );
    }
    return [...this.#origins]
      .map(([s, site]) => ({ dtype: s.dtype, bytes: s.bytes, site: siteOf({ site }) }))
      .sort((a, b) => b.bytes - a.bytes);
  }

  resetPeak(): void {
    this.#pool.resetPeak();
  }

  supports(op: Op): boolean {
    return op.cpu !== undefined;
  }

  allocate(dtype: DType, length: number): CpuBuffer {
    return this.#pool.allocate(length * bytesPerElement(dtype));
  }

  free(buffer: DeviceBuffer): void {
    this.#pool.free(buffer as CpuBuffer);
  }

  upload(storage: Storage, data: TypedArray): void {
    const buffer = this.allocate(storage.dtype, storage.length);
    buffer.as(storage.dtype).set(data);
    storage.buffer = buffer;
  }

  enqueue(node: Node): void {
    let bytes = 0;
    for (const v of node.outputs) bytes += v.storage.bytes;
    if (this.#pending.length >= maxPending || this.#pendingBytes + bytes > maxPendingBytes) this.flush();
    for (const v of node.inputs) v.storage.retain();
    this.#pending.push(node);
    this.#pendingBytes += bytes;
  }

  onStorageAlive(storage: Storage): void {
    this.#alive++;
    if (this.#origins !== null) this.#origins.set(storage, new Error());
  }

  onStorageDead(storage: Storage): void {
    this.#alive--;
    this.#origins?.delete(storage);
    this.#packed.drop(storage);
    if (storage.buffer !== null) {
      this.free(storage.buffer);
      storage.buffer = null;
      return;
    }
    const node = storage.producer;
    if (node === null || node.done || node.dead) return;
    if (node.outputs.some((v) => v.storage.refs > 0)) return;
    node.dead = true;
    for (const v of node.inputs) v.storage.release();
  }

  flush(): void {
    if (this.#pending.length === 0) return;
    const nodes = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.counters.flushes++;
    for (const node of nodes) {
      if (node.dead) continue;
      try {
        const failed = node.inputs.find((v) => v.storage.error !== null);
        if (failed !== undefined) throw failed.storage.error;
        this.#execute(node);
      } catch (error) {
        this.#late ??= error;
        for (const v of node.outputs) v.storage.error = error;
      }
      node.done = true;
      for (const v of node.inputs) v.storage.release();
      for (const v of node.outputs) {
        v.storage.producer = null;
        if (v.storage.refs === 0 && v.storage.buffer !== null) {
          this.free(v.storage.buffer);
          v.storage.buffer = null;
        }
      }
    }
  }

  #execute(node: Node): void {
    const { op, attrs } = node;
    // All memory first: growing the heap ends the life of views.
    const sources = node.inputs.map((v) => v.storage.buffer as CpuBuffer);
    const borrowed: CpuBuffer[] = [];
    const borrow = (dtype: DType, length: number): CpuBuffer => {
      const buffer = this.allocate(dtype, length);
      borrowed.push(buffer);
      return buffer;
    };
    try {
      const copies = node.inputs.map((v) =>
        op.strided || isContiguous(v) ? null : borrow(v.dtype, sizeOf(v.shape)),
      );
      const bytes = op.scratch?.(node.inputs, attrs) ?? 0;
      const scratch = bytes > 0 ? borrow('f64', Math.ceil(bytes / 8)) : null;
      node.outputs.forEach((v, i) => {
        const taken = this.#inplace(node, i);
        v.storage.buffer = taken ?? this.allocate(v.dtype, v.storage.length);
      });

      const inputs = node.inputs.map((v, i): CpuView => {
        const view = { data: sources[i].as(v.dtype), offset: v.offset, shape: v.shape, strides: v.strides };
        const copy = copies[i];
        if (copy === null) return view;
        const dense = { data: copy.as(v.dtype), offset: 0, shape: v.shape, strides: rowMajor(v.shape) };
        copyInto(view, dense, this.heap?.kernels);
        return dense;
      });
      this.counters.kernels++;
      runKernel(
        op,
        {
          inputs,
          outputs: node.outputs.map(viewOfValue),
          attrs,
          scratch: (scratch?.as('f64') as Float64Array | undefined) ?? new Float64Array(0),
          memo: {},
          context: this,
        },
        node.outputs,
        node,
        this,
      );
    } finally {
      for (const b of borrowed) this.free(b);
    }
  }

  /** Memory of an operand that dies here and that the op may overwrite. */
  #inplace(node: Node, output: number): CpuBuffer | null {
    const out = node.outputs[output];
    for (const [o, i] of inplacePairs(node.op)) {
      const v = node.inputs[i];
      if (v === undefined || o !== output) continue;
      const s = v.storage;
      if (s.refs !== 1 || s.buffer === null || s.bytes !== out.storage.bytes) continue;
      if (bytesPerElement(s.dtype) !== bytesPerElement(out.dtype)) continue;
      if (sizeOf(v.shape) !== s.length || !isContiguous(v)) continue;
      const buffer = s.buffer as CpuBuffer;
      s.buffer = null;
      return buffer;
    }
    return null;
  }

  async realize(value: Value): Promise<void> {
    this.#settle(value);
  }

  async read(value: Value): Promise<TypedArray> {
    this.#settle(value);
    this.counters.reads++;
    const n = sizeOf(value.shape);
    const out = typedView(value.dtype, new ArrayBuffer(n * bytesPerElement(value.dtype)), 0, n);
    copyInto(viewOfValue(value), { data: out, offset: 0, shape: value.shape, strides: value.strides });
    return out;
  }

  #settle(value: Value): void {
    this.flush();
    const error = value.storage.error ?? this.#late;
    if (error === null) return;
    this.#late = null;
    throw error;
  }

  /** Addresses of the matrices of a plan that lie packed, 0 for the others. May allocate. */
  packed(products: readonly RowProduct[], inputs: readonly Value[]): number[] {
    const { heap } = this;
    return products.map((p) => (heap === null ? 0 : this.#packed.address(heap, p, inputs[p.input])));
  }

  load(program: Program): Executable {
    this.counters.plans++;
    return new CpuExecutable(this, program);
  }
}

function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let i = shape.length - 1, n = 1; i >= 0; n *= shape[i--]) strides[i] = n;
  return strides;
}

function viewOfValue(v: Value): CpuView {
  const buffer = v.storage.buffer as CpuBuffer;
  return { data: buffer.as(v.dtype), offset: v.offset, shape: v.shape, strides: v.strides };
}

/** A program with memory of its own for temporaries; arguments are read where they lie. */
class CpuExecutable implements Executable {
  readonly program: Program;
  failedAt = -1;
  readonly #device: CpuDevice;
  readonly #products: readonly RowProduct[];
  #arena: CpuBuffer | null = null;
  #bound: BoundProgram | null = null;

  constructor(device: CpuDevice, program: Program) {
    this.#device = device;
    this.program = program;
    this.#products = rowProducts(program);
  }

  run(inputs: readonly Value[]): Value[] {
    const { program } = this;
    const device = this.#device;
    // All memory first: growing the heap ends the life of views.
    const arena = (this.#arena ??= device.allocate('f64', program.arenaBytes / 8));
    const buffers = this.#results();
    const packed = device.packed(this.#products, inputs);
    if (this.#bound === null || this.#bound.memory !== arena.memory) {
      this.#bound = new BoundProgram(program, arena.memory, arena.byteOffset, device);
    }
    const bound = this.#bound;
    this.#products.forEach(({ instruction }, i) => bound.setPacked(instruction, packed[i]));
    inputs.forEach((v, i) => {
      const view = viewOfValue(v);
      bound.setInput(i, view.data, view.offset);
    });
    buffers.forEach((b, i) => {
      if (b !== null) bound.setOutput(i, b.as(program.outputs[i].dtype), 0);
    });
    this.failedAt = -1;
    try {
      bound.run();
    } catch (error) {
      this.failedAt = bound.at;
      for (const b of buffers) if (b !== null) device.free(b);
      throw error;
    }
    device.counters.replays++;
    device.counters.kernels += bound.kernels;
    return program.outputs.map((aval, i) => {
      const value = newValue(device, aval, null);
      const from = program.donated[i];
      if (from === -1) value.storage.buffer = buffers[i]!;
      else {
        const s = inputs[from].storage;
        value.storage.buffer = s.buffer;
        s.buffer = null;
      }
      return value;
    });
  }

  /** Memory of the results that take over no argument's. */
  #results(): (CpuBuffer | null)[] {
    const { outputs, donated } = this.program;
    const buffers: (CpuBuffer | null)[] = [];
    try {
      outputs.forEach(({ dtype, shape }, i) =>
        buffers.push(donated[i] === -1 ? this.#device.allocate(dtype, sizeOf(shape)) : null),
      );
    } catch (error) {
      for (const b of buffers) if (b !== null) this.#device.free(b);
      throw error;
    }
    return buffers;
  }

  dispose(): void {
    if (this.#arena !== null) this.#device.free(this.#arena);
    this.#arena = null;
    this.#bound = null;
  }
}
