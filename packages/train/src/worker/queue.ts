import { StateError } from '@seq/tensor';

/** A line of events with one reader. */
export interface Queue {
  add(event: unknown): void;
  /** Nothing comes any more. */
  end(): void;
  read(result: Promise<unknown>): AsyncIterator<unknown>;
}

/**
 * Events of a run between their arrival and whoever reads them.
 *
 * @param taken  called for each event that is read or thrown away
 * @param left   called when reading has ended, early or not
 */
export function queue(taken: () => void, left: () => void): Queue {
  const waiting: unknown[] = [];
  let [reading, ended] = [false, false];
  let wake = (): void => {};
  async function* read(result: Promise<unknown>): AsyncGenerator {
    try {
      for (;;) {
        while (waiting.length > 0) {
          const event = waiting.shift();
          taken();
          yield event;
        }
        if (ended) break;
        await new Promise<void>((go) => (wake = go));
      }
      await result;
    } finally {
      reading = false;
      for (const _ of waiting.splice(0)) taken();
      left();
    }
  }
  return {
    add(event) {
      if (!reading) return taken();
      waiting.push(event);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    read(result) {
      if (reading)
        throw new StateError(
          'disposed',
          'run: events must be read by one loop, got a second. Share them after reading.',
        );
      reading = true;
      return read(result);
    },
  };
}
