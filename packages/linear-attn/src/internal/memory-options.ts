import type { Tensor } from '@seq/tensor';

/** Options of the ops of this room. */
export interface MemoryOptions {
  /** [B, H, K, V] state before the first position; zero if absent. */
  readonly initial?: Tensor;
  /** Factor of the queries. Default 1/√K. */
  readonly scale?: number;
  /** [B, T] bool: true where the state is cleared before that position. */
  readonly resets?: Tensor;
  /** L, positions between two states that are kept for the gradient. Default 64. */
  readonly chunkSize?: number;
}
