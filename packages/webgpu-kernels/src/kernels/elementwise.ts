import type { GpuKernels, GpuPass, Op } from '@seq/tensor/engine';
import type { Entry } from './entry.js';
import { creationKernels } from './creation.js';
import { opPass } from './map/chain.js';
import { expressions } from './map/expressions.js';

/** A plan of the passes that have something to do. */
export function planOf(...passes: readonly (GpuPass | undefined)[]): { passes: GpuPass[] } {
  return { passes: passes.filter((p) => p !== undefined) };
}

function kernelsOf(op: Op): GpuKernels<unknown> {
  return {
    variants: [
      { name: 'fours', supports: () => true, plan: (call) => planOf(opPass(op, call)) },
      { name: 'single', supports: () => true, plan: (call) => planOf(opPass(op, call, true)) },
    ],
    strided: true,
    inplace: (op.inplace ?? []).map((e) => (typeof e === 'number' ? ([0, e] as const) : e)),
  };
}

/** Ops that work element by element, each a chain of one, and those that make tensors from nothing. */
export const elementwiseKernels = (): Entry[] => [
  ...[...expressions.keys()].map((op): Entry => [op, kernelsOf(op)]),
  ...creationKernels(),
];
