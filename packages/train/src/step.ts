import type { RunOptions, StateOptions } from '@seq/nn';
import { compile, foldIn, isFinite as finite, OptionError } from '@seq/tensor';
import type { Compiled, Key, Tensor } from '@seq/tensor';
import { checkParts, lossAndGrads } from './accumulate.js';
import { clipFactor, globalNorm } from './clip.js';
import type { Optimizer, OptimizerState } from './optimizer.js';

/** What can be trained on batches of tokens: a language model, or anything with a loss. */
export interface Trainable<P> {
  /** Scalar loss of tokens [B, T+1]. */
  loss(params: P, tokens: Tensor, o?: RunOptions): Tensor;
}

/** What can be trained on streams: a loss with a state carried from batch to batch. */
export interface CarriedTrainable<P, S> extends Trainable<P> {
  initState(batch: number, o?: StateOptions): S;
  lossWithState(params: P, tokens: Tensor, state: S, o?: RunOptions): [loss: Tensor, state: S];
}

/** Options of `trainStep`. */
export interface TrainStepOptions {
  /** Largest global norm of the gradients; false for no clipping. Default 1. */
  readonly clip?: number | false;
  /** A step whose gradients are not all finite leaves parameters and optimiser as they were. Default true. */
  readonly skipNonFinite?: boolean;
  /**
   * Parts that a batch is cut into by rows; their gradients are averaged before the one update, and activations are
   * held for one part at a time. Equal to the whole batch where every target counts and nothing is drawn (dropout
   * draws apart for each part). Default 1; must divide B.
   */
  readonly microBatches?: number;
  /** Bytes the plan may need at most; a larger one is refused before it runs. */
  readonly memoryBudget?: number;
}

/** What a step is given besides the batch. */
export interface StepInputs {
  /** Randomness of dropout; the step mixes in the number of updates done, so one key serves a whole run. */
  readonly key?: Key;
  /** [] in place of the optimiser's schedule. */
  readonly lr?: Tensor;
}

/** What a step reports; scalars. */
export interface StepMetrics {
  readonly loss: Tensor;
  /** Global norm of the gradients before clipping. Infinite or NaN: the step was skipped. */
  readonly gradNorm: Tensor;
  /** Learning rate of the update. */
  readonly lr: Tensor;
}

/**
 * A compiled training step: loss, gradients, clipping and update in one plan that serves all steps.
 *
 * `params` and `optState` are moved in and updated in place. `plan(…)` tells its cost without running it.
 */
export type TrainStep<P> = Compiled<
  [params: P, optState: OptimizerState, tokens: Tensor, inputs?: StepInputs],
  [params: P, optState: OptimizerState, metrics: StepMetrics]
>;

/** The same for streams; the state is moved in as well. */
export type CarriedTrainStep<P, S> = Compiled<
  [params: P, optState: OptimizerState, state: S, tokens: Tensor, inputs?: StepInputs],
  [params: P, optState: OptimizerState, state: S, metrics: StepMetrics]
>;

/**
 * Compiles a training step for batches that stand for themselves.
 *
 * @throws OptionError  clip ≤ 0, microBatches no integer ≥ 1
 * @throws ShapeError   when called with rows that microBatches does not divide
 */
export function trainStep<P>(
  model: Trainable<P>,
  optimizer: Optimizer,
  { memoryBudget, microBatches = 1, ...o }: TrainStepOptions = {},
): TrainStep<P> {
  checkClip(o);
  checkParts('trainStep', microBatches);
  return compile(
    (
      params: P,
      optState: OptimizerState,
      tokens: Tensor,
      inputs: StepInputs = {},
    ): [P, OptimizerState, StepMetrics] => {
      const key = keyOf(inputs, optState);
      const [loss, , grads] = lossAndGrads(
        (p: P, rows: Tensor, none: null, own): [Tensor, null] => [model.loss(p, rows, { key: own }), none],
        params,
        { tokens, state: null, key },
        microBatches,
      );
      return update(optimizer, params, grads, optState, loss, inputs, o);
    },
    { donate: [0, 1], name: 'trainStep', memoryBudget },
  );
}

/**
 * Compiles a training step for streams: truncated backpropagation through time. Gradients end at the
 * incoming state.
 *
 * @throws OptionError  clip ≤ 0, microBatches no integer ≥ 1
 * @throws ShapeError   when called with rows that microBatches does not divide
 */
export function carriedTrainStep<P, S>(
  model: CarriedTrainable<P, S>,
  optimizer: Optimizer,
  { memoryBudget, microBatches = 1, ...o }: TrainStepOptions = {},
): CarriedTrainStep<P, S> {
  checkClip(o);
  checkParts('trainStep', microBatches);
  return compile(
    (
      params: P,
      optState: OptimizerState,
      state: S,
      tokens: Tensor,
      inputs: StepInputs = {},
    ): [P, OptimizerState, S, StepMetrics] => {
      const key = keyOf(inputs, optState);
      const [loss, next, grads] = lossAndGrads(
        (p: P, rows: Tensor, from: S, own) => model.lossWithState(p, rows, from, { key: own }),
        params,
        { tokens, state, key },
        microBatches,
      );
      const [p, s, metrics] = update(optimizer, params, grads, optState, loss, inputs, o);
      return [p, s, next, metrics];
    },
    { donate: [0, 1, 2], name: 'trainStep', memoryBudget },
  );
}

function checkClip({ clip = 1 }: TrainStepOptions): void {
  if (clip !== false && !(clip > 0)) {
    throw new OptionError(
      `trainStep: clip must be positive or false, got ${clip}. 1 is usual; false switches clipping off.`,
    );
  }
}

function keyOf({ key }: StepInputs, optState: OptimizerState): Key | undefined {
  return key && foldIn(key, optState.step);
}

function update<P>(
  optimizer: Optimizer,
  params: P,
  grads: P,
  optState: OptimizerState,
  loss: Tensor,
  { lr }: StepInputs,
  { clip = 1, skipNonFinite = true }: TrainStepOptions,
): [P, OptimizerState, StepMetrics] {
  const gradNorm = globalNorm(grads);
  const rate = lr ?? optimizer.schedule.on(optState.step, gradNorm.dtype);
  const [p, s] = optimizer.update(params, grads, optState, {
    lr: rate,
    gradScale: clip === false ? undefined : clipFactor(gradNorm, clip),
    enabled: skipNonFinite ? finite(gradNorm) : undefined,
  });
  return [p, s, { loss, gradNorm, lr: rate }];
}
