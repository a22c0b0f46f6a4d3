import type { LanguageModel, LanguageModelParams, LanguageModelState } from '@seq/lm';
import { loadCheckpoint, saveCheckpoint } from '@seq/train/node';
import type { OptimizerState, Training } from '@seq/train';
import type { DecodeOptions } from '@seq/train';
import type { Vocabulary } from './data.js';
import { inputError } from './errors.js';
import type { Recipe } from './recipes.js';
import type { CurvePoint, TrainingJob } from './types.js';
import type { TextSource } from './text.js';

/** What happened so far in a training. */
export interface TrainingLog {
  curve: CurvePoint[];
  /** Sum of losses since the last point of the curve, and their number. */
  sum: number;
  count: number;
  /** Wall clock of training. */
  seconds: number;
}

/** What the lab keeps in a checkpoint beside the model: enough to generate, to measure and to go on. */
export interface CheckpointExtra {
  readonly application: 'seq-lab';
  readonly vocabulary: readonly string[];
  readonly recipe: Recipe;
  readonly text: TextSource;
  readonly sha256: string;
  readonly seed: number;
  readonly validationShare: number;
  readonly log: TrainingLog;
}

/** A checkpoint of the lab, read. */
export interface SavedModel {
  readonly spec: unknown;
  readonly training: Training<LanguageModelParams, LanguageModelState>;
  readonly extra: CheckpointExtra;
}

/** What goes into the checkpoint of a job. */
export function checkpointExtra(job: TrainingJob, vocabulary: Vocabulary, log: TrainingLog): CheckpointExtra {
  const { recipe, text, sha256, seed, validationShare } = job;
  return {
    application: 'seq-lab',
    vocabulary: vocabulary.symbols,
    recipe,
    text,
    sha256,
    seed,
    validationShare,
    log,
  };
}

/** Writes a checkpoint, whole or not at all. */
export async function saveModel(
  file: string,
  lm: LanguageModel,
  training: SavedModel['training'],
  extra: CheckpointExtra,
): Promise<void> {
  const { params, optState, step, key } = training;
  await saveCheckpoint(file, {
    params,
    optState,
    step,
    keys: { key },
    spec: lm.spec,
    extra,
  });
}

/** Reads a checkpoint that the lab wrote. Throws FormatError for a damaged file, LabError (exit code 3) for one of another program. */
export async function loadModel(
  file: string,
  o: Omit<DecodeOptions, 'like'> & { like?: { params: LanguageModelParams; optState: OptimizerState } } = {},
): Promise<SavedModel> {
  const { like, ...rest } = o;
  const saved = await loadCheckpoint<LanguageModelParams, OptimizerState, LanguageModelState>(file, {
    ...rest,
    ...(like ? { like: { params: like.params, optState: like.optState } } : {}),
  });
  const extra = saved.extra as CheckpointExtra | null;
  if (extra?.application !== 'seq-lab') {
    throw inputError(
      `${file}: the checkpoint must be one of seq-lab, which knows its characters, got one without a vocabulary. Choose a file that seq-lab wrote.`,
    );
  }
  const { params, optState, step, keys } = saved;
  return {
    spec: saved.spec,
    training: {
      params,
      optState,
      step,
      stream: null,
      key: (keys as { key: Training<unknown, unknown>['key'] }).key,
    },
    extra,
  };
}
