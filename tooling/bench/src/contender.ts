import type { Item } from './items.js';

/** One item, made ready by one library. */
export interface Prepared {
  /** Computes the result, waits for it and lets it go. */
  run(): Promise<void>;
  /** The result in the layout of Seq. */
  read(): Promise<Float32Array>;
  dispose(): void;
}

/** A library that takes part. */
export interface Contender {
  readonly name: string;
  /** False for native code: shown beside, not what the bars compare with. */
  readonly comparable: boolean;
  /** The item made ready, or null when the library has no such operation. */
  prepare(item: Item): Promise<Prepared | null>;
}
