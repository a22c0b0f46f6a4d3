/** The exit codes of every command; `seq-lab --help` prints this list. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  input: 3,
  device: 4,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What a user can mend: the message says how, the exit code says which kind it is. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** A wrong argument (exit code 2). */
export function usageError(message: string): LabError {
  return new LabError(EXIT.usage, message);
}

/** A file that cannot be used (exit code 3). */
export function inputError(message: string, cause?: unknown): LabError {
  return new LabError(EXIT.input, message, cause === undefined ? undefined : { cause });
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
