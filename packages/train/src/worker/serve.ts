import { OptionError, show, Tensor } from '@seq/tensor';
import { send } from './messages.js';
import type { FromWorker, ToWorker } from './messages.js';
import { insideWorker, listen } from './place.js';
import type { Place } from './place.js';

/** What a job gets beside its input. `E` is what it tells on the way. */
export interface Job<E> {
  /** Aborted when the page cancels. The job ends as it sees fit; what it returns then is the result. */
  readonly signal: AbortSignal;
  /**
   * Tells the page something: plain data, which is copied. The promise waits only while many events lie unread, so
   * whoever awaits it never runs far ahead of the page.
   */
  emit(event: E): Promise<void>;
}

/** Jobs by name. */
export type Jobs = Readonly<Record<string, (input: never, job: Job<never>) => unknown>>;

/** What a job is given. */
export type InputOf<F> = F extends () => unknown
  ? null
  : F extends (input: infer I, ...rest: never[]) => unknown
    ? I
    : never;
/** What a job tells on the way. */
export type EventOf<F> = F extends (input: never, job: Job<infer E>) => unknown ? E : never;
/** What a job returns. */
export type ResultOf<F> = F extends (...given: never[]) => infer R ? Awaited<R> : never;

/** Events of one run that may lie unread before `emit` waits. */
const UNREAD = 32;

/** One run of a job, as the worker sees it. */
interface Running {
  readonly stop: AbortController;
  unread: number;
  /** Those who wait in `emit`. */
  readonly waiting: (() => void)[];
}

/**
 * Offers jobs to whoever opened this worker; called once, at the top of the worker's module.
 *
 * A job may run several times at once. What it returns is plain data: buffers of typed arrays in it are moved to the
 * page, not copied, when the array is all that the buffer holds. What it throws arrives there with its code, message
 * and cause.
 *
 * @param jobs   `typeof` the result is what `openWorker` wants to know
 * @param place  where requests come from; default whoever started this worker
 * @throws DeviceError  not in a worker, and no place given
 */
export function serve<J extends Jobs>(jobs: J, place: Place = insideWorker()): J {
  const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void =>
    place.postMessage(message, transfer);
  const runs = new Map<number, Running>();
  const ready = (): void => post({ seq: 'ready', jobs: Object.keys(jobs) });

  async function run(id: number, name: string, input: unknown, stop: AbortController): Promise<void> {
    const running: Running = { stop, unread: 0, waiting: [] };
    runs.set(id, running);
    const emit = async (event: unknown): Promise<void> => {
      if (!runs.has(id)) return;
      buffersOf(`emit of job "${name}"`, event);
      post({ seq: 'event', id, event });
      if (++running.unread >= UNREAD) await new Promise<void>((go) => running.waiting.push(go));
    };
    try {
      const job = jobs[name] as (input: unknown, job: Job<unknown>) => unknown;
      const result = await job(input, { signal: stop.signal, emit });
      post({ seq: 'done', id, result }, buffersOf(`the result of job "${name}"`, result));
    } catch (error) {
      post({ seq: 'failed', id, error: send(error) });
    } finally {
      runs.delete(id);
      for (const go of running.waiting) go();
    }
  }

  function receive(message: ToWorker): void {
    if (message.seq === 'hello') ready();
    else if (message.seq === 'run') {
      const stop = new AbortController();
      if (message.aborted) stop.abort();
      void run(message.id, message.job, message.input, stop);
    } else {
      const running = runs.get(message.id);
      if (!running) return;
      if (message.seq === 'abort') running.stop.abort();
      else {
        running.unread--;
        running.waiting.shift()?.();
      }
    }
  }

  const stopAll = (): void => {
    for (const { stop, waiting } of runs.values()) {
      stop.abort();
      for (const go of waiting.splice(0)) go();
    }
  };
  listen(place, (data) => isOurs(data) && receive(data), stopAll);
  ready();
  return jobs;
}

function isOurs(data: unknown): data is ToWorker {
  return typeof data === 'object' && data !== null && 'seq' in data && (data as ToWorker).seq !== undefined;
}

/** The buffers in plain data that can be moved: not shared, and wholly seen by the array that is found. */
function buffersOf(where: string, data: unknown): ArrayBuffer[] {
  const [buffers, seen] = [new Set<ArrayBuffer>(), new Set<object>()];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Tensor)
      throw new OptionError(
        `${where}: must be plain data, got a tensor ${show(value.shape)}. Send what its data() gives.`,
      );
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength)
        buffers.add(value.buffer);
    } else if (value instanceof ArrayBuffer) buffers.add(value);
    else for (const part of value instanceof Map ? value.values() : Object.values(value)) walk(part);
  };
  walk(data);
  return [...buffers];
}
