/** A piece of work that can be started once. */
export interface Job<R> {
  readonly name: string;
  /** Expected duration in any unit; longer jobs start first. */
  readonly cost: number;
  start(): RunningJob<R>;
}

export interface RunningJob<R> {
  /** The result; undefined when the job ended early because it was asked to; rejects when it failed. */
  readonly done: Promise<R | undefined>;
  /** Asks the job to save and end. May be called more than once. */
  stop(): void;
  /** Ends the job at once. */
  kill(): void;
}

export type Outcome<R> =
  | { readonly name: string; readonly status: 'done'; readonly result: R }
  | { readonly name: string; readonly status: 'stopped' }
  | { readonly name: string; readonly status: 'waiting' }
  | { readonly name: string; readonly status: 'failed'; readonly error: unknown };

export interface ScheduleOptions<R> {
  /** How many jobs run at the same time (≥ 1). */
  readonly concurrency: number;
  /** When aborted: running jobs are asked to stop, no other is started. */
  readonly stop?: AbortSignal;
  /** When aborted: running jobs are killed. */
  readonly kill?: AbortSignal;
  onStart?(name: string): void;
  onEnd?(outcome: Outcome<R>): void;
}

/**
 * Runs jobs side by side, the longest first, and returns what became of each in the order given.
 * A job that fails does not stop the others.
 */
export async function runJobs<R>(jobs: readonly Job<R>[], o: ScheduleOptions<R>): Promise<Outcome<R>[]> {
  const queue = [...jobs].sort((a, b) => b.cost - a.cost);
  const outcomes = new Map<string, Outcome<R>>();
  const running = new Set<RunningJob<R>>();
  const stopAll = (): void => running.forEach((job) => job.stop());
  const killAll = (): void => running.forEach((job) => job.kill());
  o.stop?.addEventListener('abort', stopAll);
  o.kill?.addEventListener('abort', killAll);

  const lane = async (): Promise<void> => {
    while (queue.length > 0 && !o.stop?.aborted && !o.kill?.aborted) {
      const job = queue.shift()!;
      o.onStart?.(job.name);
      const outcome = await run(job, running);
      outcomes.set(job.name, outcome);
      o.onEnd?.(outcome);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(o.concurrency, jobs.length) }, lane));
  } finally {
    o.stop?.removeEventListener('abort', stopAll);
    o.kill?.removeEventListener('abort', killAll);
  }
  return jobs.map(({ name }) => outcomes.get(name) ?? { name, status: 'waiting' });
}

async function run<R>(job: Job<R>, running: Set<RunningJob<R>>): Promise<Outcome<R>> {
  const { name } = job;
  let handle: RunningJob<R> | undefined;
  try {
    handle = job.start();
    running.add(handle);
    const result = await handle.done;
    return result === undefined ? { name, status: 'stopped' } : { name, status: 'done', result };
  } catch (error) {
    return { name, status: 'failed', error };
  } finally {
    if (handle) running.delete(handle);
  }
}
