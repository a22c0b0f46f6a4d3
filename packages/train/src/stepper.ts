import { disposeTree, treeLeaves } from '@seq/tensor';
import type { Batches } from './data.js';
import type { Optimizer } from './optimizer.js';
import { carriedTrainStep, trainStep } from './step.js';
import type { StepMetrics, TrainStepOptions } from './step.js';
import type { Model, Training } from './training.js';

/** Does the steps of one run. */
export interface Stepper<P, S> {
  /** Takes the memory of the steps; `training` is as it was, whether it is granted or not. */
  reserve(training: Training<P, S>): Promise<void>;
  advance(training: Training<P, S>): StepMetrics;
  dispose(): void;
}

/** Steps of the kind that the batches ask for; each brings `training` up to date when it is complete. */
export function makeStepper<P, S>(
  model: Model<P, S>,
  optimizer: Optimizer,
  data: Batches,
  o: TrainStepOptions,
): Stepper<P, S> {
  return data.carried ? carriedStepper(model, optimizer, data, o) : plainStepper(model, optimizer, data, o);
}

function plainStepper<P, S>(
  model: Model<P, S>,
  optimizer: Optimizer,
  data: Batches,
  o: TrainStepOptions,
): Stepper<P, S> {
  const step = trainStep(model, optimizer, o);
  return {
    async reserve({ params, optState, key, step: n }) {
      const { tokens } = data.at(n);
      await step.reserve(params, optState, tokens, { key }).finally(() => tokens.dispose());
    },
    advance(training) {
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
    },
    dispose: () => step.dispose(),
  };
}

function carriedStepper<P, S>(
  model: Model<P, S>,
  optimizer: Optimizer,
  data: Batches,
  o: TrainStepOptions,
): Stepper<P, S> {
  const step = carriedTrainStep(model, optimizer, o);
  const firstState = (training: Training<P, S>): S => {
    const { device, dtype } = treeLeaves(training.params)[0] ?? {};
    return model.initState(data.B, { device, dtype });
  };
  return {
    async reserve(training) {
      const { params, optState, stream, key } = training;
      const { tokens, fresh } = data.at(training.step);
      const begins = fresh || stream === null;
      const state = begins ? firstState(training) : stream;
      await step.reserve(params, optState, state, tokens, { key }).finally(() => {
        tokens.dispose();
        if (begins) disposeTree(state);
      });
    },
    advance(training) {
      const { tokens, fresh } = data.at(training.step);
      const begins = fresh || training.stream === null;
      const state = begins ? firstState(training) : training.stream!;
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
    },
    dispose: () => step.dispose(),
  };
}
