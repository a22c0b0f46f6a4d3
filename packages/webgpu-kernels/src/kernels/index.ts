import type { GpuKernels, Op } from '@seq/tensor/engine';
import { complexScanKernels } from './complex-scan.js';
import { convKernels } from './conv.js';
import { elementwiseKernels } from './elementwise.js';
import { fftKernels } from './fft.js';
import { indexingKernels } from './indexing.js';
import { matmulKernels } from './matmul.js';
import { randomKernels } from './random.js';
import { reduceKernels } from './reduce.js';
import { rowsKernels } from './rows.js';
import { scansKernels } from './scans.js';
import { shapeKernels } from './shape.js';

/** The kernels of all ops of `@seq/tensor`. */
export function tensorKernels(): Map<Op, GpuKernels<unknown>> {
  return new Map([
    ...elementwiseKernels(),
    ...shapeKernels(),
    ...indexingKernels(),
    ...randomKernels(),
    ...matmulKernels(),
    ...convKernels(),
    ...reduceKernels(),
    ...rowsKernels(),
    ...scansKernels(),
    ...complexScanKernels(),
    ...fftKernels(),
  ]);
}
