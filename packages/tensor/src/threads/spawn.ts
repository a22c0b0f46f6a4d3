import type { Start } from './layout.js';
import { workerSource } from './worker-source.js';

/** Ends a worker. */
export type End = () => void;

/** What we use of `node:worker_threads`, which Deno and Bun have as well. */
interface NodeWorker {
  unref(): void;
  on(event: 'error', listener: (error: unknown) => void): void;
  terminate(): unknown;
}
interface NodeWorkers {
  Worker: new (source: string, options: { eval: true; workerData: Start }) => NodeWorker;
}
interface Host {
  process?: { getBuiltinModule?: (name: string) => unknown };
}

/**
 * Starts a worker that does not keep the process alive: of `node:worker_threads` where there is one, else of the web.
 *
 * @param failed  called when it cannot run, such as under a policy without `worker-src blob:`
 * @throws what the host throws
 */
export function spawn(start: Start, failed: (reason: string) => void): End {
  const threads = (globalThis as Host).process?.getBuiltinModule?.('node:worker_threads') as
    | NodeWorkers
    | undefined;
  if (threads !== undefined) {
    const source = `${workerSource()}work(require('node:worker_threads').workerData);`;
    const worker = new threads.Worker(source, { eval: true, workerData: start });
    worker.on('error', (error) => failed(String(error)));
    worker.unref();
    return () => void worker.terminate();
  }
  const source = `${workerSource()}onmessage = (event) => work(event.data);`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url);
  worker.onerror = (event) => failed(event.message ?? 'the worker could not be loaded');
  worker.postMessage(start, []);
  return () => {
    worker.terminate();
    URL.revokeObjectURL(url);
  };
}
