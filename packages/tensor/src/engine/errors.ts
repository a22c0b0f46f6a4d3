/** Stable, machine-readable error codes: match on these, not on messages. */
export type SeqErrorCode =
  | 'shape'
  | 'dtype'
  | 'device'
  | 'device-lost'
  | 'state-moved'
  | 'disposed'
  | 'grad'
  | 'index'
  | 'numerics'
  | 'spec'
  | 'option'
  | 'memory'
  | 'format'
  | 'trace'
  | 'internal';

const marker = Symbol.for('@seq/error');

/**
 * The base of every error that Seq throws on purpose.
 *
 * The message reads `where: rule, got values. Remedy.`; `code` is stable across versions.
 */
export class SeqError extends Error {
  readonly code: SeqErrorCode;

  constructor(code: SeqErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    Object.defineProperty(this, marker, { value: true });
  }

  /** True for errors of any copy of the package, optionally of one code. */
  static is(error: unknown, code?: SeqErrorCode): error is SeqError {
    return (
      typeof error === 'object' &&
      error !== null &&
      (error as Record<symbol, unknown>)[marker] === true &&
      (code === undefined || (error as SeqError).code === code)
    );
  }
}

/** Shapes, ranks or sizes that do not fit together. */
export class ShapeError extends SeqError {
  constructor(message: string) {
    super('shape', message);
  }
}

/** Element types that do not fit together. */
export class DTypeError extends SeqError {
  constructor(message: string) {
    super('dtype', message);
  }
}

/** Tensors of two devices in one operation, or a device that cannot serve. */
export class DeviceError extends SeqError {
  constructor(message: string) {
    super('device', message);
  }
}

/** A device that is gone with all its tensors. */
export class DeviceLostError extends SeqError {
  constructor(message: string) {
    super('device-lost', message);
  }
}

/** A handle that is dead: disposed, or a state moved into an earlier step. */
export class StateError extends SeqError {
  constructor(code: 'state-moved' | 'disposed', message: string) {
    super(code, message);
  }
}

/** A gradient that does not exist or was asked for in the wrong way. */
export class GradError extends SeqError {
  constructor(message: string) {
    super('grad', message);
  }
}

/** An index outside the axis it points into. */
export class IndexError extends SeqError {
  constructor(message: string) {
    super('index', message);
  }
}

/** NaN or infinity found by the opt-in numerics check. */
export class NumericsError extends SeqError {
  constructor(message: string) {
    super('numerics', message);
  }
}

/** A specification that no factory understands. */
export class SpecError extends SeqError {
  constructor(message: string) {
    super('spec', message);
  }
}

/** An option outside its range. */
export class OptionError extends SeqError {
  constructor(message: string) {
    super('option', message);
  }
}

/** A plan or an allocation beyond a limit. */
export class MemoryError extends SeqError {
  constructor(message: string) {
    super('memory', message);
  }
}

/** A file that is damaged, truncated or of another kind. */
export class FormatError extends SeqError {
  constructor(message: string) {
    super('format', message);
  }
}

/** Something that cannot be done while a plan is being recorded. */
export class TraceError extends SeqError {
  constructor(message: string) {
    super('trace', message);
  }
}

/** `[2, 3]`: a shape as messages show it. */
export function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
