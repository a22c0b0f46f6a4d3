/**
 * The memory through which threads talk, a SharedArrayBuffer: words (i32) at its bottom, then tasks (f64), then the bytes
 * of modules. `worker-source.ts` reads the same places.
 */
export const layout = {
  /** Number of the job in the upper 24 bits, tasks nobody has taken yet in the lower 8. */
  claim: 0,
  /** Tasks done. */
  done: 1,
  /** Workers that wait for tasks. */
  ready: 2,
  /** 1: workers end. */
  stop: 3,
  /** 1: a task of this job failed. */
  failed: 4,
  /** From here per module where its bytes begin, and how many there are. */
  modules: 16,
  maxModules: 64,
  /** From here (f64) per task: module, function, number of arguments, arguments. */
  tasks: 128,
  taskStride: 32,
  maxTasks: 64,
  /** From here the bytes of modules. */
  bytes: 32768,
  size: 1048576,
} as const;

/** What a worker needs to begin. */
export interface Start {
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  /** Where its workplace begins. */
  readonly base: number;
}
