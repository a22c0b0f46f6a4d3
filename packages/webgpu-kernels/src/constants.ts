// The numbers of the WebGPU specification: where the API comes from a package, its globals are not installed.

/** What a buffer may be used for. */
export const usage: {
  readonly mapRead: number;
  readonly copySource: number;
  readonly copyTarget: number;
  readonly uniform: number;
  readonly storage: number;
  readonly queries: number;
} = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, uniform: 0x40, storage: 0x80, queries: 0x200 };

/** Map a buffer for reading. */
export const mapForReading: number = 0x1;

/** Visible in compute shaders. */
export const computeStage: number = 0x4;
