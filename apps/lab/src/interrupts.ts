/** Two signals closer than this are one: a terminal and npm may both deliver the same Ctrl-C. */
const SAME_PRESS_MS = 400;

export interface Interrupts {
  /** Aborted at the first Ctrl-C: save and end. */
  readonly stop: AbortSignal;
  /** Aborted at the second: end at once. */
  readonly kill: AbortSignal;
  /** 130 after Ctrl-C, 143 after SIGTERM, undefined when nothing came. */
  exitCode(): 130 | 143 | undefined;
  /** Gives the signals back to Node. */
  release(): void;
}

/** What emits signals; `process` is one. */
export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** Listens to Ctrl-C and SIGTERM until released. */
export function listenForInterrupts(
  source: SignalSource = process,
  now: () => number = () => performance.now(),
): Interrupts {
  const stop = new AbortController();
  const kill = new AbortController();
  let code: 130 | 143 | undefined;
  let last = -Infinity;
  const press = (exitCode: 130 | 143): void => {
    const time = now();
    if (time - last < SAME_PRESS_MS) return;
    last = time;
    if (!stop.signal.aborted) {
      code = exitCode;
      stop.abort();
    } else kill.abort();
  };
  const onInterrupt = (): void => press(130);
  const onTerminate = (): void => press(143);
  source.on('SIGINT', onInterrupt);
  source.on('SIGTERM', onTerminate);
  return {
    stop: stop.signal,
    kill: kill.signal,
    exitCode: () => code,
    release() {
      source.off('SIGINT', onInterrupt);
      source.off('SIGTERM', onTerminate);
    },
  };
}
