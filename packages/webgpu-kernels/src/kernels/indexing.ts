import { IndexError } from '@seq/tensor';
import type { GpuCall, Op } from '@seq/tensor/engine';
import {
  addAlongOp,
  gatherOp,
  oneHotOp,
  scatterAddOp,
  sliceAtOp,
  takeAlongOp,
  updateAtOp,
} from '@seq/tensor/engine';
import { planOf } from './elementwise.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { addAlongPasses, scatterPasses } from './indexing/add.js';
import { gatherPass, oneHotPass, slicePass, takePass, updatePass } from './indexing/pick.js';

interface AxisAttrs {
  readonly axis: number;
}

/** The message of the CPU as far as a shader reports: which index is wrong, not its value. */
const outside =
  (op: Op, sizeOfAxis: (call: GpuCall<never>) => number) =>
  (call: GpuCall<never>, element: number): Error =>
    new IndexError(
      `${op.name}: index must be in [0, ${sizeOfAxis(call) - 1}], got another (element ${element} of the indices). Check the indices, or clip() them.`,
    );

const axisSize = ({ inputs, attrs: { axis } }: GpuCall<AxisAttrs>): number => inputs[0].shape[axis];

const window =
  (op: Op, size: (call: GpuCall<never>) => number) =>
  (call: GpuCall<AxisAttrs>, element: number): Error =>
    new IndexError(
      `${op.name}: the window must lie inside axis ${call.attrs.axis} of size ${axisSize(call)}, got another start (row ${element}) and size ${size(call as GpuCall<never>)}. Make the axis longer (maxLength of a cache) or start earlier.`,
    );

/** Ops that read or write at places that are data. */
export const indexingKernels = (): Entry[] => [
  entry<AxisAttrs>(gatherOp, {
    variants: [{ name: 'rows', supports: () => true, plan: (call) => planOf(gatherPass(call)) }],
    error: outside(gatherOp, axisSize),
  }),
  entry<AxisAttrs>(takeAlongOp, {
    variants: [{ name: 'elements', supports: () => true, plan: (call) => planOf(takePass(call)) }],
    error: outside(takeAlongOp, axisSize),
  }),
  entry<AxisAttrs>(scatterAddOp, {
    inplace: [[0, 0]],
    variants: [{ name: 'ordered', supports: () => true, plan: (call) => planOf(...scatterPasses(call)) }],
    error: outside(scatterAddOp, axisSize),
  }),
  entry<AxisAttrs>(addAlongOp, {
    inplace: [[0, 0]],
    variants: [{ name: 'ordered', supports: () => true, plan: (call) => planOf(...addAlongPasses(call)) }],
    error: outside(addAlongOp, axisSize),
  }),
  entry(oneHotOp, {
    variants: [{ name: 'words', supports: () => true, plan: (call) => planOf(oneHotPass(call)) }],
    error: outside(oneHotOp, ({ attrs }: GpuCall<never>) => (attrs as { n: number }).n),
  }),
  entry<AxisAttrs & { readonly size: number }>(sliceAtOp, {
    variants: [{ name: 'rows', supports: () => true, plan: (call) => planOf(slicePass(call)) }],
    error: window(sliceAtOp, ({ attrs }: GpuCall<never>) => (attrs as { size: number }).size),
  }),
  entry<AxisAttrs>(updateAtOp, {
    inplace: [[0, 0]],
    variants: [{ name: 'rows', supports: () => true, plan: (call) => planOf(updatePass(call)) }],
    error: window(
      updateAtOp,
      ({ inputs, attrs }: GpuCall<never>) => inputs[1].shape[(attrs as AxisAttrs).axis],
    ),
  }),
];
