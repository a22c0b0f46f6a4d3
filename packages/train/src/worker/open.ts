import { DeviceError, OptionError, SeqError, StateError } from '@seq/tensor';
import { receive } from './messages.js';
import type { FromWorker, ToWorker } from './messages.js';
import { listen, startWorker } from './place.js';
import type { Place } from './place.js';
import { queue } from './queue.js';
import type { EventOf, InputOf, Jobs, ResultOf } from './serve.js';

/** Options of a run. */
export interface RunOptions {
  /** Cancels: the job is told, and decides what it still returns. */
  readonly signal?: AbortSignal;
  /** Buffers of the input that are moved to the worker instead of copied. */
  readonly transfer?: readonly ArrayBuffer[];
}

/**
 * A job at work. Iterating over it gives its events, from the moment iterating begins, and throws what the job throws;
 * leaving the loop early cancels. Events that nobody waits for are dropped.
 */
export interface Run<E, R> extends AsyncIterable<E> {
  /** What the job returns. */
  readonly result: Promise<R>;
}

/** A worker that serves jobs. */
export interface OpenedWorker<J extends Jobs> extends Disposable {
  /** Starts a job. `null` is the input of one that takes none. */
  run<N extends keyof J & string>(
    job: N,
    input: InputOf<J[N]>,
    options?: RunOptions,
  ): Run<EventOf<J[N]>, ResultOf<J[N]>>;
  /** Ends the worker and all that it does; runs that are not done fail with the code `disposed`. */
  close(): void;
}

/** One run, as the page sees it. */
interface Pending {
  readonly job: string;
  readonly start: () => void;
  event(event: unknown): void;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/**
 * Opens a worker whose module calls `serve`.
 *
 * @param worker  its module's address; or a worker that was made already, which bundlers ask for:
 *                `new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })`. It belongs to the result
 *                from now on
 * @throws DeviceError  a runtime without workers. A worker that fails later makes its runs fail with the code `device`
 */
export function openWorker<J extends Jobs>(worker: URL | string | Place): OpenedWorker<J> {
  const place = typeof worker === 'string' || worker instanceof URL ? startWorker(worker) : worker;
  const post = (message: ToWorker, transfer: readonly ArrayBuffer[] = []): void =>
    place.postMessage(message, [...transfer]);
  const runs = new Map<number, Pending>();
  let serves: readonly string[] | null = null;
  let over: SeqError | null = null;
  let next = 0;

  function end(error: SeqError): void {
    if (over) return;
    over = error;
    for (const { job, reject } of [...runs.values()])
      reject(new SeqError(error.code, `run of "${job}": ${error.message}`, { cause: error }));
    if (place.terminate) void place.terminate();
    else place.close?.();
  }

  function hear(message: FromWorker): void {
    if (message.seq === 'ready') {
      if (serves) return;
      serves = message.jobs;
      for (const { start } of [...runs.values()]) start();
      return;
    }
    const pending = runs.get(message.id);
    if (message.seq === 'event') pending?.event(message.event);
    else if (message.seq === 'done') pending?.resolve(message.result);
    else pending?.reject(receive(message.error));
  }

  listen(
    place,
    (data) => isOurs(data) && hear(data),
    (reason) => end(new DeviceError(`the worker must stay alive, got: ${reason}. Open it again.`)),
  );
  post({ seq: 'hello' });

  function run(job: string, input: unknown, { signal, transfer }: RunOptions = {}): Run<unknown, unknown> {
    const id = next++;
    let aborted = signal?.aborted ?? false;
    const abort = (): void => {
      if (serves && !aborted) post({ seq: 'abort', id });
      aborted = true;
    };
    const events = queue(
      () => post({ seq: 'taken', id }),
      () => runs.has(id) && abort(),
    );
    const result = new Promise<unknown>((resolve, reject) => {
      const settle = <V>(then: (value: V) => void, value: V): void => {
        runs.delete(id);
        signal?.removeEventListener('abort', abort);
        then(value);
        events.end();
      };
      const fail = (error: unknown): void => settle(reject, error);
      const start = (): void => {
        if (!serves!.includes(job))
          return fail(
            new OptionError(
              `run: the job must be one of ${serves!.join(', ')}, got "${job}". serve(…) names them.`,
            ),
          );
        try {
          post({ seq: 'run', id, job, input, aborted }, transfer);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          fail(
            new SeqError(
              'option',
              `run: the input must be plain data, got ${reason}. Send data, not handles.`,
              { cause: error },
            ),
          );
        }
      };
      runs.set(id, {
        job,
        start,
        event: (event) => events.add(event),
        resolve: (value) => settle(resolve, value),
        reject: fail,
      });
      signal?.addEventListener('abort', abort);
      if (over) fail(over);
      else if (serves) start();
    });
    return {
      result,
      [Symbol.asyncIterator]() {
        // A failure is thrown by the loop; nobody has to look at `result` as well.
        result.catch(() => {});
        return events.read(result);
      },
    };
  }

  const close = (): void =>
    end(
      new StateError(
        'disposed',
        'the worker must stay open until the job is done, got close(). Await the result first.',
      ),
    );
  return { run: run as OpenedWorker<J>['run'], close, [Symbol.dispose]: close };
}

function isOurs(data: unknown): data is FromWorker {
  return typeof data === 'object' && data !== null && 'seq' in data;
}
