import { disposeTree, IndexError, OptionError, treeLeaves } from '@seq/tensor';
import { breathe } from './breathe.js';
import type { Batches } from './data.js';
import { stateGrows } from './evaluate.js';
import type { Optimizer } from './optimizer.js';
import { carriedTrainStep, trainStep } from './step.js';
import type { StepMetrics, TrainStepOptions } from './step.js';
import type { Model, Training } from './training.js';

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

/** Options of `train`. */
export interface TrainOptions extends TrainStepOptions {
  readonly data: Batches;
  readonly optimizer: Optimizer;
  /** Step to reach: a training resumed at 300 with `steps: 1000` does 700 more. */
  readonly steps: number;
  /** Called after every step; awaited. */
  readonly onStep?: (event: StepEvent) => void | Promise<void>;
  /** Ends the run after the step in progress. */
  readonly signal?: AbortSignal;
}

/** How a run ended. */
export interface TrainResult {
  /** False when the signal ended it. */
  readonly finished: boolean;
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
 * @throws OptionError  a count that is no integer, streams for a model whose state grows
 * @throws IndexError   tokens that the model does not know
 */
export async function train<P, S>(
  model: Model<P, S>,
  training: Training<P, S>,
  { data, optimizer, steps, onStep, signal, ...stepOptions }: TrainOptions,
): Promise<TrainResult> {
  if (!Number.isInteger(steps) || steps < 0)
    throw new OptionError(`train: steps must be an integer ≥ 0, got ${steps}. It is the step to reach.`);
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
  const stepper = makeStepper(model, optimizer, data, stepOptions);
  try {
    return await run(stepper.advance, training, {
      data,
      steps,
      onStep,
      signal,
      skips: stepOptions.skipNonFinite !== false,
    });
  } finally {
    stepper.dispose();
  }
}

interface RunOptions extends Pick<TrainOptions, 'data' | 'steps' | 'onStep' | 'signal'> {
  readonly skips: boolean;
}

async function run<P, S>(
  advance: (training: Training<P, S>) => StepMetrics,
  training: Training<P, S>,
  { data, steps, onStep, signal, skips }: RunOptions,
): Promise<TrainResult> {
  let loss = NaN;
  let tokens = 0;
  let seconds = 0;
  while (training.step < steps) {
    await breathe();
    if (signal?.aborted) return { finished: false, step: training.step, loss };
    const began = performance.now();
    const metrics = advance(training);
    loss = await metrics.loss.item();
    const gradNorm = await metrics.gradNorm.item();
    const lr = await metrics.lr.item();
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
  }
  return { finished: true, step: training.step, loss };
}

/** One step of the kind that the batches ask for; brings `training` up to date when it is complete. */
function makeStepper<P, S>(
  model: Model<P, S>,
  optimizer: Optimizer,
  data: Batches,
  o: TrainStepOptions,
): { advance(training: Training<P, S>): StepMetrics; dispose(): void } {
  if (!data.carried) {
    const step = trainStep(model, optimizer, o);
    const advance = (training: Training<P, S>): StepMetrics => {
      const { tokens } = data.at(training.step);
      try {
        const [params, optState, metrics] = step(training.params, training.optState, tokens, {
          key: training.key,
        });
        Object.assign(training, { params, optState, step: training.step + 1 });
        return metrics;
      } finally {
        tokens.dispose();
      }
    };
    return { advance, dispose: () => step.dispose() };
  }
  const step = carriedTrainStep(model, optimizer, o);
  const advance = (training: Training<P, S>): StepMetrics => {
    const { tokens, fresh } = data.at(training.step);
    const { device, dtype } = treeLeaves(training.params)[0] ?? {};
    const begins = fresh || training.stream === null;
    const state = begins ? model.initState(data.B, { device, dtype }) : training.stream!;
    try {
      const [params, optState, stream, metrics] = step(training.params, training.optState, state, tokens, {
        key: training.key,
      });
      if (begins) disposeTree(training.stream);
      Object.assign(training, { params, optState, stream, step: training.step + 1 });
      return metrics;
    } finally {
      tokens.dispose();
      if (begins) disposeTree(state);
    }
  };
  return { advance, dispose: () => step.dispose() };
}
