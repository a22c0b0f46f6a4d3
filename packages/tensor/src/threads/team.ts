import { SeqError } from '../engine/errors.js';
import { layout as at } from './layout.js';
import { spawn } from './spawn.js';
import type { End } from './spawn.js';

/** One call of a kernel: the number of its module, its place among the exports, its arguments. */
export interface Task {
  readonly module: number;
  readonly kernel: number;
  readonly args: readonly number[];
}

/** Milliseconds after which a worker that has finished nothing is given up: longer than a kernel should take anywhere. */
const PATIENCE = 300_000;

/** Looks at the counter this often before the thread sleeps, where it may. */
const SPINS = 2000;

const dismissal: FinalizationRegistry<() => void> = /* @__PURE__ */ new FinalizationRegistry((end) => end());

/**
 * Workers on the memory of one heap. Whoever runs tasks takes part, and waits only for tasks that a worker has taken: no
 * worker, a slow one or one that never started delays nothing. The workers begin at the first call of `start`, sleep
 * between jobs, end with the heap and keep no process alive.
 */
export class Team {
  /** Why a worker could not run; apart, so that a worker does not hold its team. */
  readonly #fate: { refused: string | null } = { refused: null };
  readonly #memory: WebAssembly.Memory;
  readonly #bases: readonly number[];
  readonly #control = new SharedArrayBuffer(at.size);
  readonly #words = new Int32Array(this.#control);
  readonly #numbers = new Float64Array(this.#control);
  readonly #sleeps: boolean;
  #modules = 0;
  #bytes: number = at.bytes;
  #started = false;
  /** A worker took a task and was never heard of again. */
  #lost = false;
  #dismiss: () => void = () => {};
  readonly #spawn: typeof spawn;
  readonly #patience: number;

  /**
   * @param bases  where the workplaces of the workers begin: one each
   * @param tests  another way to start a worker, and the patience with it
   */
  constructor(
    memory: WebAssembly.Memory,
    bases: readonly number[],
    tests: { readonly spawn?: typeof spawn; readonly patience?: number } = {},
  ) {
    this.#memory = memory;
    this.#bases = bases;
    this.#spawn = tests.spawn ?? spawn;
    this.#patience = tests.patience ?? PATIENCE;
    this.#sleeps = maySleep(this.#words);
  }

  /** Threads that take tasks at this moment, this one included. */
  get threads(): number {
    return this.#lost ? 1 : 1 + Atomics.load(this.#words, at.ready);
  }

  /** Why a worker could not run; null as long as none failed. */
  get refused(): string | null {
    return this.#fate.refused;
  }

  /** Makes kernels known to the workers; their number, or −1 when there is no room for more. */
  admit(bytes: Uint8Array): number {
    if (this.#modules === at.maxModules || this.#bytes + bytes.length > at.size) return -1;
    new Uint8Array(this.#control).set(bytes, this.#bytes);
    const entry = at.modules + 2 * this.#modules;
    this.#words[entry] = this.#bytes;
    this.#words[entry + 1] = bytes.length;
    this.#bytes += bytes.length;
    return this.#modules++;
  }

  /** Starts the workers, once. They count when they are ready, which may be never. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    const ends: End[] = [];
    const words = this.#words;
    const fate = this.#fate;
    try {
      for (const base of this.#bases) {
        const start = { memory: this.#memory, control: this.#control, base };
        ends.push(this.#spawn(start, (reason) => (fate.refused ??= reason)));
      }
    } catch (error) {
      fate.refused ??= String(error);
    }
    this.#dismiss = () => {
      Atomics.store(words, at.stop, 1);
      Atomics.notify(words, at.claim);
      for (const end of ends) end();
    };
    dismissal.register(this, this.#dismiss);
  }

  /**
   * Runs tasks that do not depend on each other, in any order and on any thread, and returns when all are done. After a
   * worker was lost there are no others either.
   *
   * @param here  runs one on this thread
   * @throws SeqError  when a kernel failed on a worker, or a worker ended in the middle of one
   */
  run(tasks: readonly Task[], here: (task: Task) => void): void {
    const words = this.#words;
    const numbers = this.#numbers;
    tasks.forEach(({ module, kernel, args }, i) => {
      const t = at.tasks + i * at.taskStride;
      numbers[t] = module;
      numbers[t + 1] = kernel;
      numbers[t + 2] = args.length;
      numbers.set(args, t + 3);
    });
    words[at.failed] = 0;
    Atomics.store(words, at.done, 0);
    const job = ((Atomics.load(words, at.claim) >>> 8) + 1) << 8;
    Atomics.store(words, at.claim, job | tasks.length);
    Atomics.notify(words, at.claim, tasks.length - 1);
    let mine = 0;
    let error: unknown = null;
    for (;;) {
      const claim = Atomics.load(words, at.claim);
      if ((claim & 255) === 0) break;
      if (Atomics.compareExchange(words, at.claim, claim, claim - 1) !== claim) continue;
      mine++;
      try {
        here(tasks[(claim & 255) - 1]);
      } catch (e) {
        error ??= e;
      }
    }
    if (!this.#await(tasks.length - mine)) {
      this.#lost = true;
      this.#fate.refused ??= 'a worker ended in the middle of a kernel';
      this.#dismiss();
      throw new SeqError(
        'internal',
        `cpu: a worker must finish its part of a kernel, it did not in ${this.#patience / 1000} s; the system may have ended it. What was being computed is lost; run it again, from now on on one thread.`,
      );
    }
    if (error !== null) throw error;
    if (Atomics.load(words, at.failed) === 1)
      throw new SeqError(
        'internal',
        'cpu: a kernel must not fail, one did on a worker. This is a bug of Seq.',
      );
  }

  /**
   * Waits until workers have done `count` tasks; the main thread of a page may not sleep and looks again and again.
   *
   * @returns  false when none was finished for too long
   */
  #await(count: number): boolean {
    const words = this.#words;
    let [before, since] = [-1, 0];
    for (let i = 0; ; i++) {
      const done = Atomics.load(words, at.done);
      if (done === count) return true;
      if (i % SPINS !== SPINS - 1) continue;
      const now = performance.now();
      if (done !== before) [before, since] = [done, now];
      else if (now - since > this.#patience) return false;
      if (this.#sleeps) Atomics.wait(words, at.done, done, this.#patience / 4);
    }
  }
}

function maySleep(words: Int32Array): boolean {
  try {
    return Atomics.wait(words as Int32Array<SharedArrayBuffer>, at.claim, 1) === 'not-equal';
  } catch {
    return false;
  }
}

/** Why there can be no threads here, or null. */
export function whyAlone(): string | null {
  if (typeof SharedArrayBuffer === 'undefined')
    return 'there is no SharedArrayBuffer: a page must be cross-origin isolated (COOP and COEP headers)';
  const host = globalThis as { process?: { getBuiltinModule?: unknown }; Worker?: unknown };
  if (host.process?.getBuiltinModule === undefined && host.Worker === undefined)
    return 'there are no workers here; Node has them from 20.16 on';
  return null;
}
