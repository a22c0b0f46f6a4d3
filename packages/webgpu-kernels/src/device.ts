import { DeviceError, DeviceLostError, DTypeError, OptionError, sizeOf } from '@seq/tensor';
import type { Aval, Device, DeviceMemory, DispatchTime, DType, TypedArray } from '@seq/tensor';
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
import { announceCopy, copyOp, denseLayout, isContiguous, scanOp, siteOf } from '@seq/tensor/engine';
import { Beside } from './beside.js';
import { Chooser, viewOf } from './choose.js';
import { dispatchesOf } from './dispatches.js';
import { isElementwise } from './kernels/elementwise.js';
import { tensorKernels } from './kernels/index.js';
import { isProduct } from './kernels/matmul.js';
import { GpuExecutable } from './executable.js';
import { Faults } from './faults.js';
import { LoadedProgram, loopBlocks } from './loaded.js';
import { loopProgram } from './loop-program.js';
import type { Place, GpuBlock } from './memory.js';
import { blockBytes, gpuBytes, GpuPart, GpuPool, placeOf, tensorBytes } from './memory.js';
import type { DeviceOptions, GpuCounters } from './options.js';
import { countersOf } from './options.js';
import { nans, Poison } from './poison.js';
import { pipelinesOf } from './pipelines.js';
import type { Pipelines } from './pipelines.js';
import { Queue } from './queue.js';
import { Readback } from './readback.js';
import { Runner, scratchOf } from './runner.js';
import { Timer } from './timer.js';
import { elementsOf, wordsOf } from './words.js';
import { patient } from './patient.js';

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
  readonly #readback: Readback;
  readonly #faults = new Faults();
  readonly #origins: Map<Storage, Error> | null;
  readonly #loops = new WeakMap<Program, LoadedProgram>();
  #pending: Node[] = [];
  #poison: Poison | null = null;
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
      onFailure: (error, node, sequence) => this.#faults.fail(error, node, sequence),
      onRefused: (message, commands) => this.#faults.refused(message, commands),
    });
    this.#readback = new Readback(gpu, this.#queue);
    const queue = this.#queue;
    this.counters = countersOf(queue, this.#pipelines);
    this.#pool = new GpuPool(
      {
        gpu,
        counters: this.counters,
        bindingBytes: limits.bindingBytes,
        get unsubmitted() {
          return queue.unsubmitted;
        },
        onRefused: (error, sequence) => this.#faults.fail(error, null, sequence),
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
        this.#faults.refused(event.error.message, []);
      });
    }
    void gpu.lost.then(({ reason, message }) => {
      this.#faults.gone ??= new DeviceLostError(
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
    return this.#pool.report(this.#faults.alive.size);
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

  // Memory

  allocateBytes(bytes: number): GpuBlock {
    this.#faults.checkAlive();
    const block = this.#pool.allocate(bytes);
    if (this.poison) this.#spoil(block);
    return block;
  }

  #spoil(block: GpuBlock): void {
    if (this.#queue.isSubmitted(block.lastUse)) this.write(block, nans(block.bytes));
    else (this.#poison ??= new Poison(this.gpu, this.#queue)).fill(block);
  }

  allocate(dtype: DType, length: number): GpuBlock {
    return this.allocateBytes(tensorBytes(dtype, length));
  }

  free(buffer: DeviceBuffer): void {
    if (this.#faults.gone !== null) return;
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
    this.#faults.checkAlive();
    for (const v of node.outputs) this.#checkType(v.dtype, node.op.name);
    if (this.#pending.length >= maxPending) this.flush();
    for (const v of node.inputs) v.storage.retain();
    this.#pending.push(node);
  }

  onStorageAlive(storage: Storage): void {
    this.#faults.alive.add(storage);
    this.#origins?.set(storage, new Error());
  }

  onStorageDead(storage: Storage): void {
    this.#faults.alive.delete(storage);
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
        this.#faults.running = node;
        this.#execute(node);
      } catch (error) {
        this.#faults.note(error, node);
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
    this.#faults.running = null;
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
    for (const v of node.outputs) this.#faults.born(v.storage, this.#queue.sequence);
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
    this.#faults.throwFor(value);
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
    this.#faults.throwFor(value);
    const staged = reads.map(({ place: { block, offset }, bytes, dtype }) =>
      this.#readback.stage(block, offset * gpuBytes(dtype), bytes),
    );
    recorded();
    const reports = this.#runner.takeReports();
    if (reports !== null) staged.push(this.#readback.stage(reports.block, 0, reports.bytes));
    let contents: ArrayBuffer[];
    try {
      await this.#queue.drain();
      if (staged.length === 0) await patient(this.gpu, () => this.gpu.queue.onSubmittedWorkDone());
      contents = await this.#readback.read(staged);
      await this.#queue.settle();
    } catch (error) {
      // A refusal that was noticed before says more than the failure to map its result.
      await this.#queue.settle();
      await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 0))]);
      this.#faults.checkAlive();
      this.#faults.throwFor(value);
      throw new DeviceError(`webgpu: the results must be readable, the driver answered: ${String(error)}.`);
    }
    await Promise.resolve();
    this.#faults.checkAlive();
    if (reports !== null) {
      const found = this.#runner.findReport(new Uint32Array(contents.pop()!));
      if (found !== null) this.#faults.fail(found.error, null, found.sequence);
    }
    this.#faults.throwFor(value);
    return contents;
  }

  // Plans

  load(program: Program): Executable {
    this.counters.plans++;
    return new GpuExecutable(this, this.#runner, program);
  }

  /** For plans: notes results and hands the work on. */
  ran(outputs: readonly Value[], from: number): void {
    this.counters.replays++;
    for (const v of outputs) this.#faults.born(v.storage, from);
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
    this.#faults.forget(refused);
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
    if (this.#faults.gone !== null) return;
    this.#pool.dispose();
    this.#queue.dispose();
    this.#poison?.dispose();
    this.#faults.gone = new DeviceError(
      `webgpu: the device ${this.name} was disposed of. Request a new one.`,
    );
    this.#release?.();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
