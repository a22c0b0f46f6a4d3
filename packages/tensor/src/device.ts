import type { Aval, DType, TypedArray } from './engine/dtype.js';
import type { Op } from './engine/op.js';
import type { Executable, Planning, Program } from './engine/program.js';
import type { DeviceBuffer, Node, Storage, Value } from './engine/value.js';

/** What a device holds at this moment. */
export interface DeviceMemory {
  /** Storages somebody still needs, computed or pending. */
  readonly tensors: number;
  /** Bytes of buffers that hold values. */
  readonly bytes: number;
  /** Largest value of `bytes` since the device was made or `resetPeak` was called. */
  readonly peakBytes: number;
  /** Bytes kept for reuse that hold nothing. */
  readonly pooledBytes: number;
}

/** What a device has done so far. */
export interface DeviceCounters {
  /** Kernels run. */
  kernels: number;
  /** Plans made. */
  plans: number;
  /** Times a plan was replayed. */
  replays: number;
  /** Times gathered operations were run. */
  flushes: number;
  /** Buffers allocated from the system. */
  allocations: number;
  /** Times results were read back. */
  reads: number;
}

/** Time that dispatches of one kernel took together, by the device's own clock. */
export interface DispatchTime {
  /** Of the kernel, or of the kernels that ran side by side. */
  readonly name: string;
  readonly count: number;
  readonly milliseconds: number;
}

/**
 * A place where tensors live and kernels run.
 *
 * Recording and scheduling are shared by all devices; a device runs nodes in order, owns buffers and
 * replays programs.
 */
export interface Device {
  readonly kind: string;
  readonly name: string;
  readonly counters: DeviceCounters;
  memory(): DeviceMemory;
  resetPeak(): void;
  /** What the planner must know of the device's kernels and memory. */
  readonly planning: Planning;
  /** True when the device has its own kernel for the op and these operands; otherwise its reference is recorded. */
  supports(op: Op, inputs: readonly Aval[], attrs: unknown): boolean;
  /** Takes over host data; the array is copied. */
  upload(storage: Storage, data: TypedArray): void;
  /** Adds a node to what is to be run. */
  enqueue(node: Node): void;
  /** Runs what was gathered. */
  flush(): void;
  /** True when any operation may fail after it was recorded, so that all keep the line that recorded them. */
  readonly keepsSites: boolean;
  /** True when the device looks for NaN and infinity after every kernel. */
  readonly checkNumerics: boolean;
  /** True when ops with a reference run as that composite: for tests of kernels and gradient rules. */
  readonly referencesOnly: boolean;
  /** Waits until a value is computed. */
  realize(value: Value): Promise<void>;
  /** The elements of a value, row-major, after all gathered work. */
  read(value: Value): Promise<TypedArray>;
  /** Makes a program ready to be replayed. */
  load(program: Program): Executable;
  /**
   * Times of what runs while `f` does, longest first, each dispatch by itself; null when the adapter has no clock. Absent
   * where the device has none.
   */
  timed?(f: () => Promise<void>): Promise<readonly DispatchTime[] | null>;
  /** Memory for one storage, from the pool where possible. */
  allocate(dtype: DType, length: number): DeviceBuffer;
  free(buffer: DeviceBuffer): void;
  onStorageAlive(storage: Storage): void;
  onStorageDead(storage: Storage): void;
  /** A label for messages, such as the number of the training step; see `withStep`. */
  step: string | null;
}
