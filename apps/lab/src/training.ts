import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LanguageModel, LanguageModelParams, LanguageModelState } from '@seq/lm';
import { disposeTree, key } from '@seq/tensor';
import { randomCrops, startTraining, train } from '@seq/train';
import type { Batches, Optimizer, Training } from '@seq/train';
import { checkpointExtra, loadModel, saveModel } from './checkpoints.js';
import type { TrainingLog } from './checkpoints.js';
import { measureCosts } from './costs.js';
import { decode, encode, splitText } from './data.js';
import type { Split } from './data.js';
import { useDevice } from './device.js';
import { EXIT, LabError, inputError } from './errors.js';
import { optimizerOf, validate } from './learning.js';
import { modelOf } from './recipes.js';
import type { Recipe } from './recipes.js';
import { writeTokens } from './write.js';
import type { ModelResult, TrainingEvent, TrainingJob } from './types.js';
import { loadText } from './text.js';

/** Seconds between two checkpoints while a model trains. */
const SAVE_INTERVAL = 30;
/** Points of the training curve, and how many of them measure validation. */
const CURVE_POINTS = 96;
const VALIDATION_POINTS = 8;
/** Validation characters that the points of the curve look at. */
const CURVE_VALIDATION = 4096;

export interface TrainingHooks {
  /** When aborted: save after the step in progress and return. */
  readonly stop: AbortSignal;
  onEvent(event: TrainingEvent): void;
}

type LanguageTraining = Training<LanguageModelParams, LanguageModelState>;

/**
 * Trains one model of a run, measures it on the whole validation split and lets it write a sample.
 *
 * Saves `<out>/<name>.safetensors` every half minute, when asked to stop, and at the end. With `resume` it goes on
 * from that file, bit for bit as if it had never stopped.
 *
 * @returns the result, or undefined when it was asked to stop; the checkpoint then holds how far it came
 * @throws LabError  another text than the run's, a checkpoint of another run, a loss that is no number
 */
export async function trainModel(
  job: TrainingJob,
  { stop, onEvent }: TrainingHooks,
): Promise<ModelResult | undefined> {
  const { recipe, seed, device = 'cpu' } = job;
  const adapter = await useDevice(device);
  const text = loadText(job.text);
  if (text.sha256 !== job.sha256)
    throw inputError(
      `${recipe.name}: the text must be the one that the run began with, got another one in "${text.title}". Restore it, or start a new run.`,
    );
  const split = splitText(text.text, job.validationShare);
  const lm = modelOf(recipe.spec);
  const optimizer = optimizerOf(recipe, lm);
  const file = join(job.out, `${recipe.name}.safetensors`);
  mkdirSync(job.out, { recursive: true });

  const [training, log] = await begin(job, lm, optimizer, file);
  const save = async (): Promise<void> => {
    await saveModel(file, lm, training, checkpointExtra(job, split.vocabulary, log));
    onEvent({ type: 'saved', step: training.step });
  };
  const data = randomCrops(split.train, { B: recipe.batch, T: recipe.length, seed: seed + 2 });
  const costs = measureCosts(lm, recipe, optimizer, training, data);
  onEvent({
    type: 'started',
    step: training.step,
    steps: recipe.steps,
    costs,
    ...(adapter === null ? {} : { adapter: adapter.title }),
  });

  try {
    if (!(await advance({ lm, optimizer, training, data, split, recipe, log, save, stop, onEvent })))
      return undefined;
    onEvent({ type: 'phase', phase: 'validation' });
    const validationBegan = performance.now();
    const validation = await validate(lm, training.params, split.validation, recipe.length, stop);
    if (validation === undefined) return undefined;
    if (!Number.isFinite(validation)) {
      throw new LabError(
        EXIT.failed,
        `${recipe.name}: the loss must be a number, got ${validation} after ${recipe.steps} steps. Lower the learning rate (train --learning-rate).`,
      );
    }
    onEvent({ type: 'phase', phase: 'sample' });
    const sampleBegan = performance.now();
    const sample = await writeSample(lm, training.params, split, job);
    return {
      name: recipe.name,
      costs,
      curve: log.curve,
      steps: recipe.steps,
      characters: recipe.steps * recipe.batch * recipe.length,
      validation,
      sample,
      seconds: {
        train: log.seconds,
        validation: (sampleBegan - validationBegan) / 1000,
        sample: (performance.now() - sampleBegan) / 1000,
      },
      processBytes: process.resourceUsage().maxRSS * 1024,
      checkpoint: `${recipe.name}.safetensors`,
    };
  } finally {
    data.dispose();
    disposeTree([training.params, training.optState, training.key]);
  }
}

/** A fresh training, or the one that the checkpoint holds. */
async function begin(
  job: TrainingJob,
  lm: LanguageModel,
  optimizer: Optimizer,
  file: string,
): Promise<[LanguageTraining, TrainingLog]> {
  const training = startTraining(lm, optimizer, { seed: job.seed });
  if (!job.resume || !existsSync(file)) return [training, { curve: [], sum: 0, count: 0, seconds: 0 }];
  const saved = await loadModel(file, {
    spec: lm.spec,
    like: { params: training.params, optState: training.optState },
  });
  disposeTree([training.params, training.optState, training.key]);
  const { extra } = saved;
  if (
    extra.sha256 !== job.sha256 ||
    extra.seed !== job.seed ||
    JSON.stringify(extra.recipe) !== JSON.stringify(job.recipe)
  ) {
    throw inputError(
      `${file}: the checkpoint must belong to this run, got one with another text, seed or recipe. Move it away, or start a new run.`,
    );
  }
  return [saved.training, extra.log];
}

interface Progress {
  readonly lm: LanguageModel;
  readonly optimizer: Optimizer;
  readonly training: LanguageTraining;
  readonly data: Batches;
  readonly split: Split;
  readonly recipe: Recipe;
  /** Brought up to date with every step. */
  readonly log: TrainingLog;
  readonly save: () => Promise<void>;
  readonly stop: AbortSignal;
  readonly onEvent: (event: TrainingEvent) => void;
}

/** Trains to the last step of the recipe; false when stopped before. Saves in both cases. */
async function advance({
  lm,
  optimizer,
  training,
  data,
  split,
  recipe,
  log,
  save,
  stop,
  onEvent,
}: Progress): Promise<boolean> {
  const { steps } = recipe;
  const before = { step: training.step, seconds: log.seconds };
  const isPoint = (step: number, points: number): boolean =>
    step === steps || Math.floor((step * points) / steps) > Math.floor(((step - 1) * points) / steps);
  let lastSave = performance.now();
  const { finished } = await train(lm, training, {
    data,
    optimizer,
    steps,
    clip: recipe.clip,
    signal: stop,
    async onStep({ step, loss, tokensPerSecond, seconds }) {
      log.sum += loss;
      log.count++;
      log.seconds = before.seconds + seconds;
      onEvent({
        type: 'progress',
        step,
        loss: log.sum / log.count,
        charactersPerSecond: tokensPerSecond,
        secondsLeft: ((steps - step) * seconds) / (step - before.step),
      });
      if (isPoint(step, CURVE_POINTS)) {
        const measured = isPoint(step, VALIDATION_POINTS)
          ? await validate(
              lm,
              training.params,
              split.validation.subarray(0, CURVE_VALIDATION + 1),
              recipe.length,
            )
          : undefined;
        log.curve.push({
          step,
          loss: log.sum / log.count,
          ...(measured === undefined ? {} : { validation: measured }),
        });
        if (measured !== undefined) onEvent({ type: 'validated', step, validation: measured });
        log.sum = 0;
        log.count = 0;
      }
      if (performance.now() - lastSave > SAVE_INTERVAL * 1000) {
        await save();
        lastSave = performance.now();
      }
    },
  });
  await save();
  return finished;
}

/** What the model writes after the prompt, one step at a time. */
async function writeSample(
  lm: LanguageModel,
  params: LanguageModelParams,
  { vocabulary }: Split,
  { recipe, sample, seed }: TrainingJob,
): Promise<string> {
  const draw = key(seed + 3);
  const tokens: number[] = [];
  const options = {
    count: sample.characters,
    window: recipe.length,
    temperature: sample.temperature,
    key: draw,
  };
  for await (const token of writeTokens(lm, params, encode(vocabulary, sample.prompt), options)) {
    tokens.push(token);
  }
  draw.dispose();
  return decode(vocabulary, tokens);
}
