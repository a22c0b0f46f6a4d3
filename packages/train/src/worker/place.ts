import { DeviceError } from '@seq/tensor';

/** Where messages are sent and arrive: a `Worker` of the web or of Node, a `MessagePort`, the inside of a worker. */
export interface Place {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener?(type: string, listener: (event: Event) => void): void;
  on?(type: string, listener: (value: unknown) => void): unknown;
  start?(): void;
  terminate?(): unknown;
  close?(): void;
}

interface NodeThreads {
  readonly parentPort: Place | null;
  readonly Worker: new (file: URL) => Place;
}
interface Host {
  readonly process?: { getBuiltinModule?: (name: string) => unknown };
  readonly Worker?: new (address: string | URL, options: { type: 'module' }) => Place;
}
const host = globalThis as Host;

const nodeThreads = (): NodeThreads | undefined =>
  host.process?.getBuiltinModule?.('node:worker_threads') as NodeThreads | undefined;

/**
 * A worker that runs a module: of the web where there is one, else of `node:worker_threads` (Node from 20.16).
 *
 * @throws DeviceError  a runtime without either
 */
export function startWorker(address: URL | string): Place {
  if (host.Worker !== undefined) return new host.Worker(address, { type: 'module' });
  const threads = nodeThreads();
  if (threads !== undefined) return new threads.Worker(new URL(address));
  throw new DeviceError(
    'openWorker: the runtime must have workers, got none. In Node before 20.16 pass a Worker of node:worker_threads.',
  );
}

/**
 * The place from which a worker reaches whoever started it.
 *
 * @throws DeviceError  not in a worker
 */
export function insideWorker(): Place {
  const parent = nodeThreads()?.parentPort;
  if (parent) return parent;
  if ('WorkerGlobalScope' in globalThis) return globalThis as unknown as Place;
  throw new DeviceError(
    'serve: must be called in a worker, got the main thread. Start the module with openWorker, or pass a MessagePort.',
  );
}

/**
 * Listens from now on.
 *
 * @param message  called with the data of each message
 * @param failed   called when no more will come, with the reason: a script that cannot be loaded, an error, an exit
 */
export function listen(
  place: Place,
  message: (data: unknown) => void,
  failed: (reason: string) => void,
): void {
  const unreadable = (): void => failed('a message could not be read here');
  if (place.addEventListener) {
    place.addEventListener('message', (event) => message((event as MessageEvent<unknown>).data));
    place.addEventListener('error', (event) =>
      failed((event as ErrorEvent).message || 'its script could not be loaded'),
    );
    place.addEventListener('messageerror', unreadable);
    place.addEventListener('close', () => failed('it was closed'));
  } else {
    place.on?.('message', message);
    place.on?.('error', (error) => failed(error instanceof Error ? error.message : String(error)));
    place.on?.('messageerror', unreadable);
    place.on?.('exit', (code) => failed(`it ended with exit code ${String(code)}`));
  }
  place.start?.();
}
