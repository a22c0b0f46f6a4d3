import { DeviceError, DeviceLostError, DTypeError, OptionError, SeqError, sizeOf } from '@seq/tensor';
import { mapForReading, usage } from './constants.js';
import type {
  Aval,
  Device,
  DeviceCounters,
  DeviceMemory,
  DispatchTime,
  DType,
  TypedArray,
} from '@seq/tensor';
import type {
  DeviceBuffer,
  Executable,
  GpuCall,
  GpuKernels,
  GpuLimits,
  GpuView,
  LoopAttrs,
  Node,
  Op,
  Planning,
  Program,
  Storage,
  Value,
} from '@seq/tensor/engine';
import {
  announceCopy,
  copyOp,
  denseLayout,
  isContiguous,
  scanOp,
  siteOf,
  typedView,
} from '@seq/tensor/engine';
import { Beside } from './beside.js';
import { Chooser, viewOf } from './choose.js';
import { dispatchesOf } from './dispatches.js';
import { isElementwise } from './kernels/elementwise.js';
import { tensorKernels } from './kernels/index.js';
import { isProduct } from './kernels/matmul.js';
import { GpuExecutable } from './executable.js';
import { LoadedProgram, loopBlocks } from './loaded.js';
import { loopProgram } from './loop-program.js';
import type { Place } from './memory.js';
import { blockBytes, GpuBlock, gpuBytes, GpuPart, GpuPool, placeOf, tensorBytes } from './memory.js';
import { pipelinesOf } from './pipelines.js';
import type { Pipelines } from './pipelines.js';
import type { Submitted } from './queue.js';
import { Queue } from './queue.js';
import { located, Runner, scratchOf } from './runner.js';
import { Timer } from './timer.js';

/** Options of a WebGPU device that do not choose the adapter. */
export interface DeviceOptions {
  /** Shown in messages; default 'webgpu'. */
  name?: string;
  /** Looks for NaN and +∞ after every kernel and names the op, its line and the step. Slow; default false. */
  checkNumerics?: boolean;
  /**
   * Plans run kernels that do not need each other as one dispatch. Dispatches get fewer, shaders more and longer: default
   * true but on a software adapter, where compiling takes longest and a dispatch costs little.
   */
  joinDispatches?: boolean;
  /** Fills recycled memory with NaN before it is used again, for tests; default false. */
  poison?: boolean;
  /** Runs ops as their references and ignores their own kernels and gradient rules, for tests; default false. */
  references?: boolean;
  /** Remembers where every live tensor was made, for `leaks()`; default false. */
  trackLeaks?: boolean;
  /** Bytes of freed memory kept for reuse; default 512 MiB. */
  poolBytes?: number;
  /** Kernels that take the place of an op's own. */
  kernels?: ReadonlyMap<Op, GpuKernels<unknown>>;
}

/** What the device has done on the GPU. */
export interface GpuCounters extends DeviceCounters {
  /** Dispatches encoded. */
  readonly dispatches: number;
  /** Submissions to the queue. */
  readonly submits: number;
  /** Bind groups made. */
  readonly bindGroups: number;
  /** Pipelines made or being made. */
  readonly pipelines: number;
}

/** Operations gathered before they are recorded. */
const maxPending = 256;
/** Dispatches encoded before they are submitted without being asked for. */
const maxWaiting = 64;

/**
 * The WebGPU device: kernels as compute shaders, in order, recorded at once and run when their shaders are compiled.
 *
 * Operations never wait. What the driver reports late (bad data, refused work, no memory, a lost device) rejects the
 * next `data()`, `item()` or `realize()`, and values computed from there on refuse to be read.
 */
export class WebGPUDevice implements Device {
  readonly kind = 'webgpu';
  readonly name: string;
  readonly checkNumerics: boolean;
  readonly #joins: boolean;
  readonly keepsSites = true;
  readonly referencesOnly: boolean;
  readonly poison: boolean;
  readonly limits: GpuLimits;
  /** The device of the platform; for interoperation, and for tests that destroy it. */
  readonly gpu: GPUDevice;
  readonly planning: Planning;
  step: string | null = null;
  readonly counters: GpuCounters;
  readonly #pool: GpuPool;
  readonly #queue: Queue;
  readonly #pipelines: Pipelines;
  readonly #runner: Runner;
  readonly #chooser: Chooser;
  readonly #alive = new Set<Storage>();
  /** The first command behind a computed value. */
  readonly #born = new WeakMap<Storage, number>();
  readonly #origins: Map<Storage, Error> | null;
  readonly #loops = new WeakMap<Program, LoadedProgram>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  #pending: Node[] = [];
  /** The first error of recorded work that nobody has been told of. */
  #late: unknown = null;
  /** What poison is copied from. */
  #nans: GpuBlock | null = null;
  /** Set for good when the device is lost or disposed of. */
  #gone: DeviceError | DeviceLostError | null = null;
  #running: Node | null = null;
  /** Lets go of the device of the platform; null where it is somebody else's. */
  readonly #release: (() => void) | null;

  constructor(
    gpu: GPUDevice,
    limits: GpuLimits,
    {
      name = 'webgpu',
      checkNumerics = false,
      joinDispatches = !limits.software,
      poison = false,
      references = false,
      trackLeaks = false,
      poolBytes = 512 * 2 ** 20,
      kernels,
    }: DeviceOptions = {},
    release: (() => void) | null = () => gpu.destroy(),
  ) {
    announceCopy();
    this.gpu = gpu;
    this.limits = limits;
    this.name = name;
    this.checkNumerics = checkNumerics;
    // Checks of numbers stand between kernels.
    this.#joins = joinDispatches && !checkNumerics;
    this.referencesOnly = references;
    this.poison = poison;
    this.#release = release;
    this.#origins = trackLeaks ? new Map() : null;
    const own = tensorKernels();
    for (const [op, k] of kernels ?? []) own.set(op, k);
    this.#chooser = new Chooser(limits, own);
    this.#pipelines = pipelinesOf(gpu);
    this.#queue = new Queue(gpu, {
      onFailure: (error, node, sequence) => this.#fail(error, node, sequence),
      onRefused: (message, commands) => this.#refused(message, commands),
    });
    const queue = this.#queue;
    const pipelines = this.#pipelines;
    this.counters = {
      kernels: 0,
      plans: 0,
      replays: 0,
      flushes: 0,
      allocations: 0,
      reads: 0,
      get dispatches() {
        return queue.counters.dispatches;
      },
      get submits() {
        return queue.counters.submits;
      },
      get bindGroups() {
        return queue.counters.bindGroups;
      },
      get pipelines() {
        return pipelines.count;
      },
    };
    this.#pool = new GpuPool(
      {
        gpu,
        counters: this.counters,
        bindingBytes: limits.bindingBytes,
        get unsubmitted() {
          return queue.unsubmitted;
        },
        onRefused: (error, sequence) => this.#fail(error, null, sequence),
      },
      poolBytes,
    );
    this.#pool.retire = (block) => this.#queue.retire(block);
    this.#runner = new Runner(this, this.#chooser, this.#pipelines, this.#queue);
    this.planning = this.#plan();
    // On a device that others use as well, what nobody captured may be theirs.
    if (release !== null) {
      gpu.addEventListener?.('uncapturederror', (event) => {
        event.preventDefault();
        this.#refused(event.error.message, []);
      });
    }
    void gpu.lost.then(({ reason, message }) => {
      this.#gone ??= new DeviceLostError(
        `webgpu: the device ${this.name} must stay, it was lost (${reason || 'unknown'}${message ? `: ${message}` : ''}). All its tensors are gone: request a new device and go on from the last checkpoint.`,
      );
    });
  }

  #plan(): Planning {
    const kernels = (op: Op): GpuKernels<unknown> | undefined => this.#chooser.kernelsOf(op);
    const beside = new Beside(this.#chooser, this.limits);
    return {
      separate: true,
      blockLimit: this.limits.bindingBytes,
      fusion: { step: isElementwise, head: isProduct, operands: this.limits.storageBuffers },
      bytesOf: (dtype, length) => blockBytes(tensorBytes(dtype, length)),
      strided: (op) => op !== scanOp && kernels(op)?.strided === true,
      inplace: (op) => kernels(op)?.inplace ?? [],
      packs: (op) => kernels(op)?.packs ?? [],
      scratch: (op, inputs, outputs, attrs) => {
        if (op === scanOp) return loopBlocks(attrs as LoopAttrs);
        const call = {
          inputs: inputs.map((x) => viewOf(x.dtype, x)),
          outputs: outputs.map((x) => viewOf(x.dtype, denseLayout(x.shape))),
          attrs,
          alias: inputs.map(() => -1),
        };
        return scratchOf(this.#chooser, op, call);
      },
      ...(this.#joins && { beside }),
      dispatches: (program) => dispatchesOf(program, this.#chooser, this.checkNumerics),
    };
  }

  /** Picks kernels; `verify` demotes through it. */
  get chooser(): Chooser {
    return this.#chooser;
  }

  memory(): DeviceMemory {
    return this.#pool.report(this.#alive.size);
  }

  resetPeak(): void {
    this.#pool.resetPeak();
  }

  /**
   * What is alive at this moment and the line that made it, largest first.
   *
   * @throws OptionError without `trackLeaks`
   */
  leaks(): readonly { readonly dtype: DType; readonly bytes: number; readonly site: string }[] {
    if (this.#origins === null) {
      throw new OptionError(
        'leaks: the device must track its tensors. Make it with requestWebGPU({ trackLeaks: true }).',
      );
    }
    return [...this.#origins]
      .map(([s, site]) => ({ dtype: s.dtype, bytes: s.bytes, site: siteOf({ site }) }))
      .sort((a, b) => b.bytes - a.bytes);
  }

  supports(op: Op, inputs: readonly Aval[], attrs: unknown): boolean {
    if (op === scanOp) return true;
    if (this.#chooser.kernelsOf(op) === undefined) return false;
    if (op.reference === undefined) return true;
    const inferred = op.infer(inputs, attrs);
    const outputs = (Array.isArray(inferred) ? inferred : [inferred]) as readonly Aval[];
    const view = (a: Aval): GpuView => viewOf(a.dtype, denseLayout(a.shape));
    const call = { inputs: inputs.map(view), outputs: outputs.map(view), attrs, alias: inputs.map(() => -1) };
    return this.#chooser.variants(op, call).length > 0;
  }

  #checkType(dtype: DType, where: string): void {
    if (dtype === 'f64') {
      throw new DTypeError(`${where}: WebGPU has no f64, got an f64 tensor. Use f32, or the CPU device.`);
    }
    if (dtype === 'f16' && !this.limits.f16) {
      throw new DTypeError(
        `${where}: f16 tensors need the feature shader-f16, which this adapter does not have. Use f32.`,
      );
    }
  }

  #checkAlive(): void {
    if (this.#gone !== null) throw this.#gone;
  }

  // Memory

  allocateBytes(bytes: number): GpuBlock {
    this.#checkAlive();
    const block = this.#pool.allocate(bytes);
    if (this.poison) this.#spoil(block);
    return block;
  }

  /** Fills a block with NaN; one that recorded work still uses by copies, which unlike a write do not end a submission. */
  #spoil(block: GpuBlock): void {
    if (this.#queue.isSubmitted(block.lastUse)) {
      this.write(block, nans(block.bytes));
      return;
    }
    this.#nans ??= nanBlock(this.gpu);
    const { bytes: most } = this.#nans;
    for (let toByte = 0; toByte < block.bytes; toByte += most) {
      const bytes = Math.min(most, block.bytes - toByte);
      this.#queue.record({ kind: 'copy', from: this.#nans, fromByte: 0, to: block.buffer, toByte, bytes });
    }
    block.lastUse = this.#nans.lastUse;
  }

  allocate(dtype: DType, length: number): GpuBlock {
    return this.allocateBytes(tensorBytes(dtype, length));
  }

  free(buffer: DeviceBuffer): void {
    if (this.#gone !== null) return;
    if (!(buffer instanceof GpuPart)) this.#pool.free(buffer as GpuBlock);
    else if (--buffer.block.parts === 0) this.#pool.free(buffer.block);
  }

  /** Puts bytes at the begin of a block, in order with what is recorded. */
  write(block: GpuBlock, data: Uint8Array): void {
    if (this.#queue.isSubmitted(block.lastUse)) {
      this.gpu.queue.writeBuffer(block.buffer, 0, data.buffer, data.byteOffset, data.byteLength);
    } else this.#queue.record({ kind: 'write', to: block, data });
  }

  upload(storage: Storage, data: TypedArray): void {
    this.#checkType(storage.dtype, 'tensor');
    const block = this.allocate(storage.dtype, storage.length);
    this.write(block, wordsOf(storage.dtype, data));
    storage.buffer = block;
  }

  // Running

  enqueue(node: Node): void {
    this.#checkAlive();
    for (const v of node.outputs) this.#checkType(v.dtype, node.op.name);
    if (this.#pending.length >= maxPending) this.flush();
    for (const v of node.inputs) v.storage.retain();
    this.#pending.push(node);
  }

  onStorageAlive(storage: Storage): void {
    this.#alive.add(storage);
    this.#origins?.set(storage, new Error());
  }

  onStorageDead(storage: Storage): void {
    this.#alive.delete(storage);
    this.#origins?.delete(storage);
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
    this.counters.flushes++;
    for (const node of nodes) {
      if (node.dead) continue;
      try {
        const failed = node.inputs.find((v) => v.storage.error !== null);
        if (failed !== undefined) throw failed.storage.error;
        this.#running = node;
        this.#execute(node);
      } catch (error) {
        if (SeqError.is(error) && !error.message.includes('Recorded at')) {
          error.message = located(error.message, node);
        }
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
    this.#running = null;
    this.#queue.pump();
    if (this.#queue.waiting >= maxWaiting) this.#queue.submit();
  }

  #execute(node: Node): void {
    const { op, attrs } = node;
    const borrowed: GpuBlock[] = [];
    const borrow = (bytes: number): Place => {
      const block = this.allocateBytes(bytes);
      borrowed.push(block);
      return { block, offset: 0 };
    };
    for (const v of node.outputs) this.#born.set(v.storage, this.#queue.sequence);
    const strided = this.planning.strided(op);
    const inputs: Place[] = [];
    const views: GpuView[] = [];
    for (const v of node.inputs) {
      const place = placeOf(v);
      const rough = !isContiguous(v) && !strided;
      // A loop's slices begin at a multiple of their size behind this place.
      if (rough || (op === scanOp && v.offset % 4 !== 0)) {
        const dense = borrow(tensorBytes(v.dtype, sizeOf(v.shape)));
        this.#copy(v, place, dense, node);
        inputs.push(dense);
        views.push(viewOf(v.dtype, denseLayout(v.shape)));
      } else {
        inputs.push(place);
        views.push(viewOf(v.dtype, v));
      }
    }
    try {
      const outputs = node.outputs.map((v): Place => {
        const block = this.allocate(v.dtype, v.storage.length);
        v.storage.buffer = block;
        return { block, offset: 0 };
      });
      const call: GpuCall<unknown> = {
        inputs: views,
        outputs: node.outputs.map((v) => viewOf(v.dtype, v)),
        attrs,
        alias: views.map(() => -1),
      };
      if (op === scanOp) this.#loop(attrs as LoopAttrs, inputs, outputs, borrow);
      else {
        const { passes, scratch, data } = this.#runner.prepare(op, call);
        borrowed.push(...data);
        const places = [
          ...inputs,
          ...outputs,
          ...scratch.map(borrow),
          ...data.map((block) => ({ block, offset: 0 })),
        ];
        for (const pass of passes) this.#runner.record(pass, places, node);
      }
    } finally {
      for (const block of borrowed) this.free(block);
    }
  }

  #copy(v: Value, from: Place, to: Place, node: Node | null): void {
    const call = {
      inputs: [viewOf(v.dtype, v)],
      outputs: [viewOf(v.dtype, denseLayout(v.shape))],
      attrs: null,
      alias: [-1],
    };
    const { passes } = this.#runner.prepare(copyOp as Op, call);
    for (const pass of passes) this.#runner.record(pass, [from, to], node);
  }

  /** Runs a loop that is recorded outside a plan, as a program of one instruction. */
  #loop(
    attrs: LoopAttrs,
    inputs: readonly Place[],
    outputs: readonly Place[],
    borrow: (bytes: number) => Place,
  ): void {
    let loaded = this.#loops.get(attrs.program);
    if (loaded === undefined) {
      loaded = new LoadedProgram(
        this.#runner,
        loopProgram(attrs),
        inputs.map(() => 4),
      );
      this.#loops.set(attrs.program, loaded);
    }
    const blocks = loopBlocks(attrs).map((bytes) => borrow(bytes).block);
    loaded.record({ blocks, inputs, outputs });
  }

  // Reading

  async realize(value: Value): Promise<void> {
    await this.#finish(value, []);
  }

  async read(value: Value): Promise<TypedArray> {
    const n = sizeOf(value.shape);
    const bytes = tensorBytes(value.dtype, n);
    this.flush();
    this.#throwLate(value);
    let place = placeOf(value);
    let borrowed: GpuBlock | null = null;
    if (!isContiguous(value) || (value.dtype === 'f16' && value.offset % 2 !== 0)) {
      borrowed = this.allocateBytes(bytes);
      const dense = { block: borrowed, offset: 0 };
      this.#copy(value, place, dense, null);
      place = dense;
    }
    this.counters.reads++;
    const [data] = await this.#finish(value, [{ place, bytes, dtype: value.dtype }], () => {
      if (borrowed !== null) this.free(borrowed);
    });
    return elementsOf(value.dtype, data, n);
  }

  /** Runs all recorded work, looks for late errors and brings back the bytes of some places. */
  async #finish(
    value: Value,
    reads: readonly { place: Place; bytes: number; dtype: DType }[],
    recorded: () => void = () => {},
  ): Promise<ArrayBuffer[]> {
    this.flush();
    this.#throwLate(value);
    const staged: { buffer: GPUBuffer; bytes: number }[] = [];
    const stage = (block: GpuBlock, fromByte: number, bytes: number): void => {
      const buffer = this.#stagingBuffer(bytes);
      staged.push({ buffer, bytes });
      this.#queue.record({ kind: 'copy', from: block, fromByte, to: buffer, toByte: 0, bytes });
    };
    for (const { place, bytes, dtype } of reads) {
      stage(place.block, place.offset * (dtype === 'f16' ? 2 : 4), bytes);
    }
    recorded();
    const reports = this.#runner.takeReports();
    if (reports !== null) stage(reports.block, 0, reports.bytes);
    let contents: ArrayBuffer[];
    try {
      await this.#queue.drain();
      if (staged.length === 0) await this.gpu.queue.onSubmittedWorkDone();
      contents = await Promise.all(
        staged.map(async ({ buffer, bytes }) => {
          await buffer.mapAsync(mapForReading, 0, bytes);
          const copy = buffer.getMappedRange(0, bytes).slice(0);
          buffer.unmap();
          this.#staging.get(buffer.size)!.push(buffer);
          return copy;
        }),
      );
      await this.#queue.settle();
    } catch (error) {
      // A refusal that was noticed before says more than the failure to map its result.
      await this.#queue.settle();
      await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 0))]);
      this.#checkAlive();
      this.#throwLate(value);
      throw new DeviceError(`webgpu: the results must be readable, the driver answered: ${String(error)}.`);
    }
    await Promise.resolve();
    this.#checkAlive();
    if (reports !== null) {
      const found = this.#runner.findReport(new Uint32Array(contents.pop()!));
      if (found !== null) this.#fail(found.error, null, found.sequence);
    }
    this.#throwLate(value);
    return contents;
  }

  #stagingBuffer(bytes: number): GPUBuffer {
    const size = blockBytes(bytes);
    const list = this.#staging.get(size);
    if (list === undefined) this.#staging.set(size, []);
    return (
      list?.pop() ??
      this.gpu.createBuffer({ label: 'staging', size, usage: usage.mapRead | usage.copyTarget })
    );
  }

  // Errors

  #throwLate(value: Value): void {
    this.#checkAlive();
    const error = value.storage.error ?? this.#late;
    this.#late = null;
    if (error !== null) throw error;
  }

  /** Notes an error of recorded work: values of commands from `sequence` on do not exist. */
  #fail(error: unknown, node: Node | null, sequence: number): void {
    if (SeqError.is(error) && !error.message.includes('Recorded at'))
      error.message = located(error.message, node ?? this.#running);
    this.#late ??= error;
    for (const storage of this.#alive) {
      if ((this.#born.get(storage) ?? -1) >= sequence) storage.error ??= error;
    }
  }

  #refused(message: string, commands: readonly Submitted[]): void {
    const named = commands.find((c) => message.includes(`"${c.label}"`)) ?? commands[0];
    this.#fail(
      new DeviceError(
        `${named?.node?.op.name ?? 'webgpu'}: the driver must accept the work, it answered: ${message.split('\n')[0]}. This is a bug in a kernel (${named?.label ?? 'unknown'}); please report it.`,
      ),
      named?.node ?? null,
      commands[0]?.sequence ?? 0,
    );
  }

  // Plans

  load(program: Program): Executable {
    this.counters.plans++;
    return new GpuExecutable(this, this.#runner, program);
  }

  /** For plans: notes results and hands the work on. */
  ran(outputs: readonly Value[], from: number): void {
    this.counters.replays++;
    for (const v of outputs) this.#born.set(v.storage, from);
    this.#queue.pump();
    this.#queue.submit();
  }

  async timed(f: () => Promise<void>): Promise<readonly DispatchTime[] | null> {
    if (!this.gpu.features.has('timestamp-query')) return null;
    await this.#queue.drain();
    const timer = (this.#queue.timer = new Timer(this.gpu));
    try {
      await f();
      this.flush();
      await this.#queue.drain();
    } finally {
      this.#queue.timer = null;
    }
    return timer.read();
  }

  /** Number of the next command. */
  get sequence(): number {
    return this.#queue.sequence;
  }

  /**
   * Waits until the driver has answered for all memory asked for so far.
   *
   * @throws MemoryError  what it refused; nobody else is told of it
   */
  async granted(): Promise<void> {
    const refused = await this.#pool.granted();
    if (refused === null) return;
    if (this.#late === refused) this.#late = null;
    throw refused;
  }

  /** Dense copy of a value; for plans whose operands begin at an odd place. */
  densify(v: Value): GpuBlock {
    const block = this.allocate(v.dtype, sizeOf(v.shape));
    this.#copy(v, placeOf(v), { block, offset: 0 }, null);
    return block;
  }

  /**
   * Copies the whole memory of a value into a block, and makes that the value's memory; its own is given back. The value is
   * the caller's to move.
   *
   * @param to       the block, or a part of it
   * @param toByte   where in the block
   */
  move({ storage }: Value, block: GpuBlock, to: DeviceBuffer, toByte: number): void {
    const from = placeOf({ storage, offset: 0 });
    block.lastUse = this.#queue.sequence;
    this.#queue.record({
      kind: 'copy',
      from: from.block,
      fromByte: from.offset * gpuBytes(storage.dtype),
      to: block.buffer,
      toByte,
      bytes: tensorBytes(storage.dtype, storage.length),
    });
    this.free(storage.buffer!);
    storage.buffer = to;
  }

  /** Lets go of everything on the GPU. Tensors of the device are dead afterwards. */
  dispose(): void {
    if (this.#gone !== null) return;
    this.#pool.dispose();
    this.#queue.dispose();
    this.#nans?.buffer.destroy();
    this.#gone = new DeviceError(`webgpu: the device ${this.name} was disposed of. Request a new one.`);
    this.#release?.();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Bytes of f32 and f16 that are no number. */
const nans = (bytes: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new Uint32Array(bytes / 4).fill(0x7fff_ffff).buffer);

/** 64 KiB of them, to be copied. */
function nanBlock(gpu: GPUDevice): GpuBlock {
  const size = 65_536;
  const buffer = gpu.createBuffer({ label: 'NaN', size, usage: usage.copySource | usage.copyTarget });
  gpu.queue.writeBuffer(buffer, 0, nans(size));
  return new GpuBlock(size, buffer, -1);
}

/** Host data as the GPU keeps it: whole words, a word per bool. */
function wordsOf(dtype: DType, data: TypedArray): Uint8Array {
  if (dtype === 'bool') return new Uint8Array(Uint32Array.from(data).buffer);
  const out = new Uint8Array(tensorBytes(dtype, data.length));
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return out;
}

/** The other way round. */
function elementsOf(dtype: DType, bytes: ArrayBuffer, n: number): TypedArray {
  if (dtype === 'bool') return Uint8Array.from(new Uint32Array(bytes, 0, n));
  return typedView(dtype, bytes, 0, n);
}
