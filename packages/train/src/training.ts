import { FormatError, key as makeKey, scope, Tensor, treeLeaves } from '@seq/tensor';
import type { Device, DType, Key, TensorOptions } from '@seq/tensor';
import type { Checkpoint } from './checkpoint.js';
import { checkFits, checkSpec } from './fits.js';
import type { Optimizer, OptimizerState } from './optimizer.js';
import type { CarriedTrainable } from './step.js';

/** What the validations of a run have found. JSON. */
export interface Progress {
  /** Step after which the last validation was. */
  readonly step: number;
  /** Lowest validation loss and the step it belongs to; null while none was a number. */
  readonly best: number | null;
  readonly bestStep: number | null;
  /** Validations since then that found no improvement. */
  readonly stale: number;
}

/**
 * All that a run of training consists of between two steps; what a checkpoint holds.
 *
 * `train` replaces its fields together, after a step is complete.
 */
export interface Training<P, S> {
  params: P;
  optState: OptimizerState;
  /** Steps done; also the number of the next batch. */
  step: number;
  /** State carried between batches of streams, if any. */
  stream: S | null;
  /** Randomness of dropout for the whole run. */
  key: Key;
  /** What validations have found; null before the first, and to count patience anew. */
  progress?: Progress | null;
}

/** What `train` asks of a model. */
export interface Model<P, S> extends CarriedTrainable<P, S> {
  readonly spec: { readonly vocabSize: number };
  init(key: Key, o?: TensorOptions): P;
  cost(at: { B: number; T: number; form: 'step'; past?: number }): { readonly stateFloats: number };
}

/** Options of `startTraining`. */
export interface StartOptions {
  /** Seed of parameters and dropout. Default 0. */
  readonly seed?: number;
  readonly device?: Device;
  readonly dtype?: DType;
}

/** A fresh run: parameters from a seed, the optimiser's first state, step 0. */
export function startTraining<P, S>(
  model: Model<P, S>,
  optimizer: Optimizer,
  { seed = 0, device, dtype }: StartOptions = {},
): Training<P, S> {
  return scope(() => {
    const params = model.init(makeKey(seed, { device }), { device, dtype });
    return {
      params,
      optState: optimizer.init(params),
      step: 0,
      stream: null,
      key: makeKey(seed + 1, { device }),
      progress: null,
    };
  });
}

/** What goes into a checkpoint of a run: give it to `saveCheckpoint` or `encodeCheckpoint`. */
export function checkpointOf<P, S>(
  model: Model<P, S>,
  { params, optState, step, stream, key, progress = null }: Training<P, S>,
  extra: unknown = null,
): Checkpoint<P, OptimizerState, S> {
  return { params, optState, step, stream, keys: { key }, progress, spec: model.spec, extra };
}

/**
 * A run that goes on where a checkpoint ends; takes over the checkpoint's tensors.
 *
 * @param saved  what `loadCheckpoint` or `decodeCheckpoint` gave, saved from `checkpointOf`
 * @throws SpecError    a checkpoint of another model
 * @throws FormatError  parameters or an optimiser's state that do not fit the model and the optimiser, no key
 */
export function resumeTraining<P, S>(
  model: Model<P, S>,
  optimizer: Optimizer,
  saved: Checkpoint,
): Training<P, S> {
  checkSpec('resumeTraining', model.spec, saved.spec);
  scope(() => {
    // Shapes only: what is recorded here is never computed.
    const { device, dtype } = treeLeaves(saved.params)[0] ?? {};
    const params = model.init(makeKey(0, { device }), { device, dtype });
    checkFits('resumeTraining', 'params', saved.params, params);
    checkFits('resumeTraining', 'optState', saved.optState, optimizer.init(saved.params));
  });
  const { key } = (saved.keys ?? {}) as { key?: unknown };
  if (!(key instanceof Tensor)) {
    throw new FormatError(
      "resumeTraining: the checkpoint must hold keys.key, the run's randomness, got none. Save with checkpointOf.",
    );
  }
  const { params, optState, step, stream, progress = null } = saved as Checkpoint<P, OptimizerState, S>;
  return { params, optState: optState as OptimizerState, step, stream: stream ?? null, key, progress };
}
