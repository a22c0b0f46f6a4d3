import { SeqError } from '@seq/tensor';
import type { SeqErrorCode } from '@seq/tensor';

// What the two sides say to each other. Every message carries `seq`, so that others may use the same place.

/** From the page to the worker. */
export type ToWorker =
  /** Asks for `ready`, which may have been said before anybody listened. */
  | { readonly seq: 'hello' }
  | {
      readonly seq: 'run';
      readonly id: number;
      readonly job: string;
      readonly input: unknown;
      readonly aborted: boolean;
    }
  | { readonly seq: 'abort'; readonly id: number }
  /** One event of this run has been taken, or thrown away. */
  | { readonly seq: 'taken'; readonly id: number };

/** From the worker to the page. */
export type FromWorker =
  | { readonly seq: 'ready'; readonly jobs: readonly string[] }
  | { readonly seq: 'event'; readonly id: number; readonly event: unknown }
  | { readonly seq: 'done'; readonly id: number; readonly result: unknown }
  | { readonly seq: 'failed'; readonly id: number; readonly error: Sent };

/** Something thrown, as it travels: copying an error itself would lose its code and, in places, its cause. */
export type Sent =
  | {
      readonly name: string;
      readonly message: string;
      readonly stack?: string;
      readonly code?: SeqErrorCode;
      readonly cause?: Sent;
    }
  | { readonly value: unknown };

/** Makes something thrown ready to travel. */
export function send(thrown: unknown): Sent {
  if (!(thrown instanceof Error)) return { value: copyable(thrown) ? thrown : String(thrown) };
  const { name, message, stack, cause } = thrown;
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(SeqError.is(thrown) ? { code: thrown.code } : {}),
    ...(cause === undefined ? {} : { cause: send(cause) }),
  };
}

/** What was thrown on the other side: the same name, message, code, cause and stack. */
export function receive(sent: Sent): unknown {
  if ('value' in sent) return sent.value;
  const { name, message, stack, code, cause } = sent;
  const options = cause === undefined ? {} : { cause: receive(cause) };
  const error = code === undefined ? new Error(message, options) : new SeqError(code, message, options);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}

function copyable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
