import {
  crossEntropyGradOp,
  crossEntropyOp,
  logSoftmaxOp,
  logSumExpOp,
  softmaxGradOp,
  softmaxOp,
} from '@seq/tensor/engine';
import { crossEntropyGradKernels, crossEntropyKernels } from './cross-entropy.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { rowKernels } from './softmax.js';

export const rowsKernels = (): Entry[] => [
  entry(softmaxOp, rowKernels('softmax', 0)),
  entry(softmaxGradOp, rowKernels('softmaxGrad', 1)),
  entry(logSumExpOp, rowKernels('logSumExp')),
  entry(logSoftmaxOp, rowKernels('logSoftmax', 0)),
  entry(crossEntropyOp, crossEntropyKernels()),
  entry(crossEntropyGradOp, crossEntropyGradKernels()),
];
