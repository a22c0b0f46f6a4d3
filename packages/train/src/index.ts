export { adam, adamw } from './adam.js';
export type { AdamOptions } from './adam.js';
export { weightAverage } from './average.js';
export type { AveragingOptimizer, WeightAverageOptions } from './average.js';
export { decodeCheckpoint, encodeCheckpoint } from './checkpoint.js';
export type { Checkpoint, DecodeOptions } from './checkpoint.js';
export { clipByGlobalNorm, globalNorm } from './clip.js';
export { contiguousStreams, randomCrops } from './data.js';
export type { Batch, Batches, BatchOptions, RandomCropsOptions, TokenIds } from './data.js';
export { evaluate } from './evaluate.js';
export type { Evaluable, EvaluateOptions, Evaluation } from './evaluate.js';
export type { DecayMask, Optimizer, OptimizerState, UpdateOptions } from './optimizer.js';
export { constant, cosine, cosineAnnealing, linear, tabulated, wsd } from './schedules.js';
export type {
  ConstantOptions,
  CosineAnnealingOptions,
  CosineOptions,
  LinearOptions,
  Schedule,
  WsdOptions,
} from './schedules.js';
export { sgd } from './sgd.js';
export type { SgdOptions } from './sgd.js';
export { carriedTrainStep, trainStep } from './step.js';
export type {
  CarriedTrainable,
  CarriedTrainStep,
  StepInputs,
  StepMetrics,
  Trainable,
  TrainStep,
  TrainStepOptions,
} from './step.js';
export { train } from './train.js';
export type { StepEvent, RecoveryOptions, TrainOptions, TrainResult, ValidationOptions } from './train.js';
export { optimizerCases } from './cases.js';
export { checkpointOf, resumeTraining, startTraining } from './training.js';
export type { Model, Progress, StartOptions, Training } from './training.js';
