import { argMaxOp, argMinOp, maxOp, minOp, prodOp, sumOp } from '@seq/tensor/engine';
import type { GpuCall, GpuKernels, GpuVariant, Op } from '@seq/tensor/engine';
import type { Axes } from './axes.js';
import { mergeAxes } from './axes.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import type { FoldKind } from './fold-text.js';
import { foursOf, planFold } from './fold.js';

type ReduceAttrs = typeof sumOp extends Op<infer A> ? A : never;

/** Axes that stay and axes that go. The order of the latter is free: the one of the smallest stride goes last. */
function split({ inputs: [x], attrs }: GpuCall<ReduceAttrs>): { kept: Axes; folded: Axes } {
  const all = x.shape.map((_, i) => i);
  const rest = all.filter((i) => !attrs.axes.includes(i));
  const gone = [...attrs.axes].sort((a, b) => Math.abs(x.strides[b]) - Math.abs(x.strides[a]));
  return { kept: mergeAxes(x, rest), folded: mergeAxes(x, gone) };
}

function reduction(op: FoldKind['op']): GpuKernels<ReduceAttrs> {
  const variant = (name: string, four: boolean): GpuVariant<ReduceAttrs> => ({
    name,
    supports: (call) => !four || foursOf(split(call), call.inputs[0].aligned),
    plan: (call, limits) =>
      planFold({ op, dtype: call.inputs[0].dtype, ...split(call), from: 0, to: 1, scratch: 2, four }, limits),
  });
  return { strided: true, variants: [variant('fours', true), variant('elements', false)] };
}

/** The last axis; the first of equals wins. */
function search(op: FoldKind['op']): GpuKernels<null> {
  return {
    variants: [
      {
        name: 'elements',
        supports: () => true,
        plan({ inputs: [x] }, limits) {
          const last = x.shape.length - 1;
          const kept = mergeAxes(x, [...x.shape.keys()].slice(0, last));
          const folded = mergeAxes(x, [last]);
          return planFold(
            { op, dtype: x.dtype, kept, folded, from: 0, to: 1, scratch: 2, four: false },
            limits,
          );
        },
      },
    ],
  };
}

export const reduceKernels = (): Entry[] => [
  entry(sumOp, reduction('sum')),
  entry(maxOp, reduction('max')),
  entry(minOp, reduction('min')),
  entry(prodOp, reduction('prod')),
  entry(argMaxOp, search('argMax')),
  entry(argMinOp, search('argMin')),
];
