import type { FusedAttrs, GpuKernels, GpuPass, Op } from '@seq/tensor/engine';
import { fusedOp } from '@seq/tensor/engine';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { creationKernels } from './creation.js';
import { chainPass, isStep, opPass } from './map/chain.js';
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

/** Chains that the planner made. */
const fused: GpuKernels<FusedAttrs> = {
  variants: ['fours', 'single'].map((name) => ({
    name,
    supports: () => true,
    plan: ({ inputs, outputs, attrs: { steps, results }, alias }) =>
      planOf(
        chainPass({
          name: `map/${steps.flatMap((s) => (s.constant === null ? [s.op.name] : [])).join('+')}`,
          inputs: inputs.map((v, operand) => ({ view: v, operand })),
          steps,
          // Results of other shapes have the same elements in the same order.
          outputs: outputs.map((view, i) => ({
            view: { ...view, shape: outputs[0].shape, strides: outputs[0].strides },
            operand: inputs.length + i,
            value: results[i],
          })),
          alias,
          single: name === 'single',
        }),
      ),
  })),
  strided: true,
  inplace: Array.from({ length: 16 }, (_, i) => [0, i] as const),
};

/** Which ops the planner may put into a chain. */
export const isElementwise: (op: Op) => boolean = isStep;

/** Ops that work element by element, each a chain of one, and those that make tensors from nothing. */
export const elementwiseKernels = (): Entry[] => [
  ...[...expressions.keys()].map((op): Entry => [op, kernelsOf(op)]),
  entry(fusedOp, fused),
  ...creationKernels(),
];
