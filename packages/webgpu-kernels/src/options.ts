import type { DeviceCounters } from '@seq/tensor';
import type { GpuKernels, Op } from '@seq/tensor/engine';
import type { Pipelines } from './pipelines.js';
import type { Queue } from './queue.js';

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

/** Counters of a device, all at 0. */
export function countersOf(queue: Queue, pipelines: Pipelines): GpuCounters {
  return {
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
}
