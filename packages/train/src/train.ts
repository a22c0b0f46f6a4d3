import { disposeTree, IndexError, OptionError, SeqError } from '@seq/tensor';
import type { Device } from '@seq/tensor';
import { checkParts } from './accumulate.js';
import { breathe } from './breathe.js';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.js';
import type { Batches } from './data.js';
import { stateGrows } from './evaluate.js';
import type { Optimizer } from './optimizer.js';
import type { TrainStepOptions } from './step.js';
import { makeStepper } from './stepper.js';
import type { Stepper } from './stepper.js';
import { checkpointOf, resumeTraining } from './training.js';
import type { Model, Progress, Training } from './training.js';

/** What one step did. */
export interface StepEvent {
  /** Number of the step, from 1. */
  readonly step: number;
  /** Mean loss in nats per token before the update. */
  readonly loss: number;
  readonly gradNorm: number;
  /** True when gradients were not finite and nothing was changed. */
  readonly skipped: boolean;
  /** Learning rate of the update. */
  readonly lr: number;
  /** Tokens predicted since `train` began. */
  readonly tokens: number;
  /** Tokens per second since `train` began; time spent in callbacks is not counted. */
  readonly tokensPerSecond: number;
  /** Seconds since `train` began, without callbacks. */
  readonly seconds: number;
}

/** How a run is validated, and when it is given up. */
export interface ValidationOptions {
  /**
   * Loss on text that is not trained on, such as `(await evaluate(lm, training.params, ids)).nats`; called between
   * two steps with the number of steps done. A loss that is no number is no improvement.
   */
  readonly loss: (step: number) => number | Promise<number>;
  /** Called after each step whose number is a multiple of it. */
  readonly every: number;
  /** Validations without improvement, one after the other, after which the run ends. Default Infinity: never. */
  readonly patience?: number;
  /** By how much a loss must be below the best to count as an improvement, ≥ 0. Default 0: any amount. */
  readonly minDelta?: number;
}

/** How a run goes on when its device is lost. */
export interface RecoveryOptions {
  /**
   * Steps between two snapshots of everything that a checkpoint holds, kept in the memory of the program; one is
   * taken before the first step.
   */
  readonly every: number;
  /** A device in place of the lost one, and the same batches on it. */
  readonly replace: (lost: SeqError) => Promise<{ readonly device: Device; readonly data: Batches }>;
  /** Devices that may be lost before the run gives up; default 3. */
  readonly attempts?: number;
}

/** Options of `train`. */
export interface TrainOptions extends TrainStepOptions {
  readonly data: Batches;
  readonly optimizer: Optimizer;
  /** Step to reach: a training resumed at 300 with `steps: 1000` does 700 more. */
  readonly steps: number;
  /** Called after every step; awaited. */
  readonly onStep?: (event: StepEvent) => void | Promise<void>;
  /** Measures on the way, and early stopping. */
  readonly validation?: ValidationOptions;
  /** Ends the run after the step in progress. */
  readonly signal?: AbortSignal;
  /**
   * Goes on from the last snapshot when the device is lost: the steps since then are done again, and reported to
   * `onStep` again, with the same numbers. Without it the error ends the run.
   */
  readonly recovery?: RecoveryOptions;
}

/** How a run ended. */
export interface TrainResult {
  /** False when the signal or a lack of improvement ended it. */
  readonly finished: boolean;
  /** Present when patience ran out: nothing is restored, `training` is as the last step left it. */
  readonly stopped?: Progress;
  /** Steps done in all. */
  readonly step: number;
  /** Loss of the last step; NaN when none was done. */
  readonly loss: number;
}

/**
 * Trains until `training.step` is `steps`, or the signal asks to stop.
 *
 * Batch n of `data` feeds step n, so the same training goes on the same way whether or not it was
 * interrupted. `training` is brought up to date after every whole step.
 *
 * With `validation.patience` a run ends early once that many validations in a row were no better than the best one.
 * The parameters are then those of the last step, not the best ones: save a copy or a checkpoint in `validation.loss`
 * to have those. `training.progress` counts, checkpoints carry it, and a run that has ended so does no further step
 * until it is set to null.
 *
 * @throws OptionError  a count that is no integer, streams for a model whose state grows, microBatches that do not divide B,
 *                      validation options out of range
 * @throws IndexError   tokens that the model does not know
 */
export async function train<P, S>(
  model: Model<P, S>,
  training: Training<P, S>,
  { data: firstData, optimizer, steps, onStep, signal, validation, recovery, ...stepOptions }: TrainOptions,
): Promise<TrainResult> {
  if (!Number.isInteger(steps) || steps < 0)
    throw new OptionError(`train: steps must be an integer ≥ 0, got ${steps}. It is the step to reach.`);
  let data = firstData;
  if (data.maxId >= model.spec.vocabSize) {
    throw new IndexError(
      `train: ids must be below vocabSize = ${model.spec.vocabSize}, got ${data.maxId}. Encode the text with the model's own vocabulary.`,
    );
  }
  if (data.carried && stateGrows(model)) {
    throw new OptionError(
      "train: streams need a state of constant size, this model's grows with every token (a cache). Use randomCrops.",
    );
  }
  if (validation) checkValidation(validation);
  checkParts('train', stepOptions.microBatches ?? 1, data.B);
  if (recovery) checkRecovery(recovery);
  const skips = stepOptions.skipNonFinite !== false;
  let snapshot: Uint8Array<ArrayBuffer> | null = null;
  const keep = async (): Promise<void> => {
    if (recovery && training.step % recovery.every === 0)
      snapshot = await encodeCheckpoint(checkpointOf(model, training));
  };
  if (recovery) snapshot = await encodeCheckpoint(checkpointOf(model, training));
  for (let lost = 0; ; lost++) {
    const stepper = makeStepper(model, optimizer, data, stepOptions);
    try {
      return await run(stepper, training, { data, steps, onStep, signal, validation, skips, keep });
    } catch (error) {
      if (!recovery || !SeqError.is(error, 'device-lost') || lost >= (recovery.attempts ?? 3)) throw error;
      const found = await recovery.replace(error);
      data = found.data;
      const back = resumeTraining(model, optimizer, decodeCheckpoint(snapshot!, { device: found.device }));
      Object.assign(training, back);
    } finally {
      stepper.dispose();
    }
  }
}

function checkRecovery({ every, attempts = 3 }: RecoveryOptions): void {
  if (!Number.isInteger(every) || every < 1)
    throw new OptionError(
      `train: recovery.every must be an integer ≥ 1, got ${every}. It counts steps between two snapshots.`,
    );
  if (!Number.isInteger(attempts) || attempts < 1)
    throw new OptionError(
      `train: recovery.attempts must be an integer ≥ 1, got ${attempts}. It counts devices that may be lost.`,
    );
}

interface RunOptions extends Pick<TrainOptions, 'data' | 'steps' | 'onStep' | 'signal' | 'validation'> {
  readonly skips: boolean;
  /** Called after each whole step. */
  readonly keep: () => Promise<void>;
}

async function run<P, S>(
  { reserve, advance }: Stepper<P, S>,
  training: Training<P, S>,
  { data, steps, onStep, signal, validation, skips, keep }: RunOptions,
): Promise<TrainResult> {
  let loss = NaN;
  let tokens = 0;
  let seconds = 0;
  let reserved = false;
  for (;;) {
    if (validation) {
      if (isDue(training, validation)) await validate(training, validation);
      const { progress } = training;
      if (progress && progress.stale >= (validation.patience ?? Infinity))
        return { finished: false, step: training.step, loss, stopped: progress };
    }
    if (training.step >= steps) break;
    await breathe();
    if (signal?.aborted) return { finished: false, step: training.step, loss };
    const began = performance.now();
    if (!reserved) await reserve(training);
    reserved = true;
    const metrics = advance(training);
    const [lossNow, gradNorm, lr] = await Promise.all([
      metrics.loss.item(),
      metrics.gradNorm.item(),
      metrics.lr.item(),
    ]);
    loss = lossNow;
    disposeTree(metrics);
    seconds += (performance.now() - began) / 1000;
    tokens += data.B * data.T;
    await onStep?.({
      step: training.step,
      loss,
      gradNorm,
      skipped: skips && !Number.isFinite(gradNorm),
      lr,
      tokens,
      tokensPerSecond: tokens / seconds,
      seconds,
    });
    await keep();
  }
  return { finished: true, step: training.step, loss };
}

/** True after a step that is to be validated and was not yet: a run that was interrupted between the two catches up. */
function isDue<P, S>({ step, progress }: Training<P, S>, { every }: ValidationOptions): boolean {
  return step > 0 && step % every === 0 && progress?.step !== step;
}

async function validate<P, S>(
  training: Training<P, S>,
  { loss, minDelta = 0 }: ValidationOptions,
): Promise<void> {
  const { step } = training;
  const found = await loss(step);
  const { best = null, bestStep = null, stale = 0 } = training.progress ?? {};
  const better = Number.isFinite(found) && (best === null || found < best - minDelta);
  training.progress = better
    ? { step, best: found, bestStep: step, stale: 0 }
    : { step, best, bestStep, stale: stale + 1 };
}

function checkValidation({ every, patience = Infinity, minDelta = 0 }: ValidationOptions): void {
  if (!Number.isInteger(every) || every < 1)
    throw new OptionError(
      `train: validation.every must be an integer ≥ 1, got ${every}. It counts steps between two validations.`,
    );
  if (patience !== Infinity && (!Number.isInteger(patience) || patience < 1))
    throw new OptionError(
      `train: validation.patience must be an integer ≥ 1, got ${patience}. It counts validations without improvement; leave it out never to stop.`,
    );
  if (!(minDelta >= 0 && minDelta < Infinity))
    throw new OptionError(
      `train: validation.minDelta must be a finite number ≥ 0, got ${minDelta}. It is a difference of losses; 0 is usual.`,
    );
}
