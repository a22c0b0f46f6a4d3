import type { Tensor } from '../tensor.js';
import type { DType } from './dtype.js';

/** Where a case has its arguments from: the same numbers on every device. */
export interface GpuArguments {
  /** Floats between −2 and 2, or within the bounds; f32. */
  floats(shape: readonly number[], bounds?: { low?: number; high?: number }): Tensor;
  /** Integers in [low, high); i32 unless said. */
  integers(shape: readonly number[], bounds: { low?: number; high: number; dtype?: 'i32' | 'u32' }): Tensor;
  /** Half of them true. */
  flags(shape: readonly number[]): Tensor;
  /** The numbers given. */
  given(values: readonly number[], dtype?: DType): Tensor;
}

/**
 * A use of kernels whose results WebGPU and the CPU must agree on. The owner of an op states such cases; nothing in
 * them knows a GPU.
 */
export interface GpuCase {
  /** Makes the arguments and answers with what is compared: values, gradients or both. */
  run(from: GpuArguments): Tensor | readonly Tensor[];
  /** |ours − theirs| ≤ tolerance · (1 + |theirs|); default 1e-5. Integers and flags must be equal. */
  readonly tolerance?: number;
}
