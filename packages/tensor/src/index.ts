export { Tensor } from './tensor.js';
export type { Nested } from './nested.js';
export type { Aval, DType, Shape, TypedArray } from './engine/dtype.js';
export type { TensorOptions } from './creation.js';
export {
  arange,
  eye,
  full,
  fullLike,
  linspace,
  ones,
  onesLike,
  tensor,
  zeros,
  zerosLike,
} from './creation.js';

export { elu, gelu, geluTanh, logSigmoid, mish, relu, sigmoid, silu, softplus } from './ops/activations.js';
export { add, clip, div, maximum, minimum, mod, mul, pow, sub } from './ops/arithmetic.js';
export { cast } from './ops/cast.js';
export {
  abs,
  ceil,
  cos,
  erf,
  erfinv,
  exp,
  expm1,
  floor,
  isFinite,
  isNaN,
  log,
  log1p,
  neg,
  reciprocal,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
  tan,
  tanh,
} from './ops/functions.js';
export { and, eq, ge, gt, le, lt, ne, not, or, where } from './ops/logic.js';
export type { Operand } from './ops/map.js';
export type { Axes, ReduceOptions } from './ops/reduce.js';
export { all, any, argMax, argMin, max, mean, min, prod, sum, variance } from './ops/reduce.js';
export { logSoftmax, logSumExp, softmax } from './ops/softmax.js';
export {
  at,
  broadcastTo,
  chunk,
  concat,
  contiguous,
  expandDims,
  flip,
  pad,
  repeat,
  reshape,
  slice,
  splitSizes,
  squeeze,
  stack,
  swapAxes,
  transpose,
  tril,
  triu,
} from './ops/shape.js';
export { gather, oneHot, scatterAdd, sliceAt, takeAlong, updateAt } from './ops/indexing.js';
export { matmul } from './ops/matmul.js';
export type { CumsumOptions } from './ops/cumsum.js';
export { cumsum } from './ops/cumsum.js';
export type { Conv1dOptions } from './ops/conv.js';
export { conv1d } from './ops/conv.js';
export type { CrossEntropyOptions, Reduction } from './ops/loss.js';
export { crossEntropy } from './ops/loss.js';
export { argsort, topK } from './ops/select.js';
export type { LinearRecurrenceOptions } from './ops/recurrence.js';
export { linearRecurrence } from './ops/recurrence.js';
export type { Complex, FftOptions } from './ops/fft.js';
export { fft, ifft, irfft, rfft } from './ops/fft.js';
export { fftConv } from './ops/fft-conv.js';
export type { ComplexRecurrenceOptions } from './ops/complex-recurrence.js';
export { complexRecurrence } from './ops/complex-recurrence.js';
export type { AssociativeScanOptions } from './ops/associative-scan.js';
export { associativeScan } from './ops/associative-scan.js';

export { key } from './key.js';
export type { Key } from './ops/keys.js';
export { foldIn, split, threefry2x32 } from './ops/keys.js';
export { threefryBlocks } from './cpu/threefry.js';
export type { RandomOptions } from './ops/random.js';
export {
  bernoulli,
  categorical,
  normal,
  permutation,
  randomInt,
  truncatedNormal,
  uniform,
} from './ops/random.js';

export type { ScanOptions } from './scan.js';
export { scan } from './scan.js';
export { checkpoint, grad, referenceVjp, stopGradient, valueAndGrad, vjp } from './grad.js';
export type { Compiled, CompileOptions } from './compile.js';
export { compile, explain } from './compile.js';
export type { Plan, PlannedKernel } from './plan.js';
export type { Profile } from './profile.js';
export { profile } from './profile.js';
export { keep, scope } from './scope.js';
export type { Tree } from './tree.js';
export {
  cloneTree,
  disposeTree,
  move,
  treeEntries,
  treeFromEntries,
  treeLeaves,
  treeMap,
  treeUnflatten,
} from './tree.js';

export type { Device, DeviceCounters, DeviceMemory, DispatchTime } from './device.js';
export { cpu, defaultDevice, setDefaultDevice } from './devices.js';
export type { CpuOptions } from './cpu/device.js';
export { CpuDevice } from './cpu/device.js';
export { createCpu } from './cpu/create.js';
export { address, kernelsOf, runParts } from './cpu/kernel.js';
export type { KernelModule } from './cpu/heap.js';
export { defineKernels } from './cpu/heap.js';
export type { Kernels } from './wasm/kernels.js';
export type { Builds } from './wasm/load.js';
export { withStep } from './step.js';

export type { CpuCall, CpuView, Op, OpCost, VjpCall } from './engine/op.js';
export { defineOp } from './engine/op.js';
export { apply, apply1, elements } from './engine/apply.js';
export { isFloat, sizeOf } from './engine/dtype.js';
export { create } from './creation.js';

export type { SeqErrorCode } from './engine/errors.js';
export {
  DeviceError,
  DeviceLostError,
  DTypeError,
  FormatError,
  GradError,
  IndexError,
  MemoryError,
  NumericsError,
  OptionError,
  SeqError,
  ShapeError,
  SpecError,
  StateError,
  TraceError,
  show,
} from './engine/errors.js';

export { gemm, gemmInto } from './cpu/gemm.js';
export type { RawTensor, SafetensorsDType } from './io/safetensors.js';
export { decodeSafetensors, encodeSafetensors, loadTensors, saveTensors } from './io/safetensors.js';
