import type { GpuKernels, Op } from '@seq/tensor/engine';

/** An op with its kernels. */
export type Entry = readonly [op: Op, kernels: GpuKernels<unknown>];

/** Pairs an op with kernels of its attributes. */
export function entry<A>(op: Op<A>, kernels: GpuKernels<A>): Entry {
  return [op, kernels];
}
