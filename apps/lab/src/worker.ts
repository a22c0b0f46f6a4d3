import { SeqError } from '@seq/tensor';
import { EXIT, LabError, messageOf } from './errors.js';
import { trainModel } from './training.js';
import type { ParentMessage, WorkerMessage } from './types.js';

// A process that trains one model and tells its parent how it goes.

const stop = new AbortController();

// Ctrl-C reaches the whole process group; the parent decides what it means.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// A parent that is gone can read no result: save what there is.
process.on('disconnect', () => stop.abort());

process.on('message', (message: ParentMessage) => {
  if (message.type === 'stop') stop.abort();
  else void train(message);
});

async function train({ job }: Extract<ParentMessage, { type: 'train' }>): Promise<void> {
  let last: WorkerMessage;
  try {
    const result = await trainModel(job, {
      stop: stop.signal,
      onEvent: (event) => tell({ type: 'event', event }),
    });
    last = result ? { type: 'done', result } : { type: 'stopped' };
  } catch (error) {
    const exitCode =
      error instanceof LabError ? error.exitCode : SeqError.is(error, 'format') ? EXIT.input : EXIT.failed;
    last = {
      type: 'failed',
      message: messageOf(error),
      exitCode,
      ...(error instanceof Error && error.stack ? { stack: error.stack } : {}),
    };
  }
  if (process.connected) process.send?.(last, undefined, undefined, () => process.disconnect());
}

/** A parent that has just died shows as an error of the channel; `disconnect` follows. */
function tell(message: WorkerMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
