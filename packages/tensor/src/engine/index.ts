// What devices are made of: the ops themselves, values, programs. For authors of devices; everybody else needs only
// the package's main entry.

export type { Device, DeviceCounters, DeviceMemory } from '../device.js';
export { announceCopy } from '../announce.js';
export type { Aval, DType, Shape, TypedArray } from './dtype.js';
export { bytesPerElement, isFloat, sizeOf, typedView } from './dtype.js';
export type { Layout } from './layout.js';
export { denseLayout, isContiguous, stridesOf } from './layout.js';
export type { FusedAttrs, FusedHead, FusedStep, Fusion } from './fuse.js';
export { finishedOp, fusedOp, titleOf } from './fuse.js';
export type { Op } from './op.js';
export type {
  GpuBinding,
  GpuCall,
  GpuKernels,
  GpuLimits,
  GpuPass,
  GpuPlan,
  GpuShader,
  GpuShaderParts,
  GpuVariant,
  GpuView,
} from './gpu.js';
export { gpuKernelsOf, lazyKernels, loadKernels } from './lazy-kernels.js';
export type { GpuArguments, GpuCase } from './gpu-case.js';
export type { Arg, Executable, Home, Instruction, Planning, Program, Slot } from './program.js';
export type { Pack } from './pack.js';
export { wavesOf } from './program.js';
export type { Part, Parts } from './schedule.js';
export type { DeviceBuffer, Node, Storage, Value } from './value.js';
export { newValue, siteOf } from './value.js';
export type { LoopAttrs } from '../cpu/scan.js';
export { scanOp } from '../scan.js';

export {
  eluOp,
  geluOp,
  geluTanhOp,
  logSigmoidOp,
  mishOp,
  reluOp,
  sigmoidOp,
  siluOp,
  softplusOp,
} from '../ops/activations.js';
export { addOp, divOp, maximumOp, minimumOp, modOp, mulOp, powOp, subOp } from '../ops/arithmetic.js';
export { castOp } from '../ops/cast.js';
export { conv1dInputGradOp, conv1dOp, conv1dWeightGradOp } from '../ops/conv.js';
export { cumsumOp } from '../ops/cumsum.js';
export { arangeOp, constantOp, fillOp } from '../ops/fill.js';
export {
  absOp,
  ceilOp,
  cosOp,
  erfOp,
  erfinvOp,
  expOp,
  expm1Op,
  floorOp,
  isFiniteOp,
  isNaNOp,
  log1pOp,
  logOp,
  negOp,
  reciprocalOp,
  roundOp,
  rsqrtOp,
  signOp,
  sinOp,
  sqrtOp,
  squareOp,
  tanOp,
  tanhOp,
} from '../ops/functions.js';
export {
  addAlongOp,
  gatherOp,
  oneHotOp,
  scatterAddOp,
  sliceAtOp,
  takeAlongOp,
  updateAtOp,
} from '../ops/indexing.js';
export { foldInOp, splitKeyOp } from '../ops/keys.js';
export { andOp, eqOp, geOp, gtOp, leOp, ltOp, neOp, notOp, orOp, whereOp } from '../ops/logic.js';
export { crossEntropyGradOp, crossEntropyOp } from '../ops/loss.js';
export { matmulOp } from '../ops/matmul.js';
export {
  gumbelOp,
  normalOp,
  permutationOp,
  randomIntOp,
  truncatedNormalOp,
  uniformOp,
} from '../ops/random.js';
export { fftOp } from '../ops/fft.js';
export { fftPlan } from '../cpu/fft-plan.js';
export type { FftAttrs } from '../cpu/fft.js';
export type { ComplexRecurrenceAttrs } from '../ops/complex-recurrence.js';
export { complexRecurrenceOp } from '../ops/complex-recurrence.js';
export { linearRecurrenceOp } from '../ops/recurrence.js';
export { argMaxOp, argMinOp, maxOp, minOp, prodOp, sumOp } from '../ops/reduce.js';
export { topKOp } from '../ops/select.js';
export {
  aliasOp,
  broadcastOp,
  concatOp,
  copyOp,
  padOp,
  permuteOp,
  reshapeOp,
  sliceOp,
  stopOp,
  triangleOp,
  unsliceOp,
} from '../ops/shape.js';
export { logSoftmaxOp, logSumExpOp, softmaxGradOp, softmaxOp } from '../ops/softmax.js';
