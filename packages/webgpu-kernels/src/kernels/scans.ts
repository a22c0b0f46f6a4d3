import { cumsumOp, linearRecurrenceOp } from '@seq/tensor/engine';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { planScan } from './scan.js';

export const scansKernels = (): Entry[] => [
  entry(cumsumOp, {
    variants: [
      {
        name: 'columns',
        supports: () => true,
        plan: ({ inputs: [x], outputs: [out], attrs, alias }, limits) =>
          planScan(
            { kind: 'sum', ...attrs, shifted: false, x, a: null, initial: null, out, inputs: 1, alias },
            limits,
          ),
      },
    ],
  }),
  entry(linearRecurrenceOp, {
    strided: true,
    inplace: [[0, 1]],
    variants: [
      {
        name: 'columns',
        supports: () => true,
        plan: ({ inputs, outputs: [out], attrs, alias }, limits) => {
          const [a, x, initial = null] = inputs;
          return planScan(
            { kind: 'linear', ...attrs, exclusive: false, x, a, initial, out, inputs: inputs.length, alias },
            limits,
          );
        },
      },
    ],
  }),
];
