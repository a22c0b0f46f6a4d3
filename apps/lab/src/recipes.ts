import { attention } from '@seq/attention';
import { bigram, cnn } from '@seq/conv';
import { languageModel, languageModelFromSpec } from '@seq/lm';
import type { LanguageModel, LanguageModelOptions, LanguageModelSpec } from '@seq/lm';
import {
  deltaRule,
  gatedDeltaRule,
  gla,
  hgrn2,
  linearAttention,
  retnet,
  rwkv7,
  simpleGla,
} from '@seq/linear-attn';
import type { Mixer } from '@seq/nn';
import { gru, lstm } from '@seq/rnn';
import { lru, mamba, mamba2, s4d, s5 } from '@seq/ssm';
import { usageError } from './errors.js';

/** Makes the mixers that a saved model may contain. */
export const factories = [
  ...[attention, bigram, cnn, gru, lru, lstm, mamba, mamba2, s4d, s5],
  ...[deltaRule, gatedDeltaRule, gla, hgrn2, linearAttention, retnet, rwkv7, simpleGla],
] as const;

/** How one model is built and trained: plain JSON, saved with the run and with the checkpoint. */
export interface Recipe {
  readonly name: string;
  /** The model: a spec of @seq/lm. */
  readonly spec: LanguageModelSpec;
  /** Sequences in a training step. */
  readonly batch: number;
  /** Characters of each. */
  readonly length: number;
  readonly steps: number;
  /** Peak learning rate of AdamW; a linear warm-up leads to it, a cosine to a tenth of it. */
  readonly learningRate: number;
  /** Steps of warm-up. */
  readonly warmup: number;
  readonly weightDecay: number;
  /** Largest global norm of the gradients. */
  readonly clip: number;
}

/** What a user may change of a recipe. */
export interface RecipeChanges {
  readonly steps?: number;
  /** Factor on the recipe's own steps. */
  readonly stepFactor?: number;
  readonly batch?: number;
  readonly length?: number;
  readonly learningRate?: number;
  readonly dModel?: number;
  readonly layers?: number;
}

interface Blueprint {
  readonly title: string;
  readonly dModel: number;
  readonly layers: number;
  /** The model's options for these sizes. */
  readonly model: (sizes: { V: number; C: number; layers: number }) => LanguageModelOptions;
  readonly training: Omit<Recipe, 'name' | 'spec' | 'warmup'>;
  /** Seconds that the recipe takes on one core of a small machine: for the order, the time left and `--minutes`. */
  readonly seconds: number;
  /** Not among the models that `compare` trains unless they are named. */
  readonly onDemand?: true;
}

const repeat = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

/** Layers of one mixer, and nothing beside them. */
const mixerAlone = (title: string, mixer: (C: number) => Mixer, onDemand?: true): Blueprint => ({
  title,
  dModel: 64,
  layers: 1,
  model: ({ V, C, layers }) => ({
    vocabSize: V,
    dModel: C,
    mixers: repeat(layers, () => mixer(C)),
    feedForward: false,
  }),
  training: { batch: 8, length: 64, steps: 400, learningRate: 6e-3, weightDecay: 0.01, clip: 1 },
  seconds: 40,
  ...(onDemand && { onDemand }),
});

const heads = { numHeads: 2 };

const blueprints: Readonly<Record<string, Blueprint>> = {
  '2-gram': {
    title: 'a table: the next character from the last one',
    dModel: 0,
    layers: 1,
    // The table itself: one-hot characters in, logits out, nothing around it.
    model: ({ V }) => ({
      vocabSize: V,
      dModel: V,
      mixers: [bigram({ dModel: V })],
      embedding: false,
      head: false,
      residual: false,
      norm: false,
      feedForward: false,
    }),
    training: { batch: 32, length: 64, steps: 300, learningRate: 0.1, weightDecay: 0, clip: 1 },
    seconds: 11,
  },
  cnn: {
    title: 'causal convolutions, dilated 1, 2, 4, 8',
    dModel: 64,
    layers: 1,
    model: ({ V, C, layers }) => ({
      vocabSize: V,
      dModel: C,
      mixers: repeat(layers, () => cnn({ dModel: C, convWidth: 2, dilations: [1, 2, 4, 8] })),
      feedForward: false,
    }),
    training: { batch: 8, length: 64, steps: 700, learningRate: 6e-3, weightDecay: 0.01, clip: 1 },
    seconds: 40,
  },
  gru: {
    title: 'gated recurrent unit',
    dModel: 96,
    layers: 1,
    model: ({ V, C, layers }) => ({
      vocabSize: V,
      dModel: C,
      mixers: repeat(layers, () => gru({ dModel: C })),
      feedForward: false,
    }),
    training: { batch: 8, length: 64, steps: 600, learningRate: 8e-3, weightDecay: 0.01, clip: 1 },
    seconds: 46,
  },
  lstm: {
    title: 'long short-term memory',
    dModel: 80,
    layers: 1,
    model: ({ V, C, layers }) => ({
      vocabSize: V,
      dModel: C,
      mixers: repeat(layers, () => lstm({ dModel: C })),
      feedForward: false,
    }),
    training: { batch: 8, length: 64, steps: 600, learningRate: 1e-2, weightDecay: 0.01, clip: 1 },
    seconds: 45,
  },
  mamba: {
    title: 'a state space that chooses what it keeps',
    dModel: 64,
    layers: 1,
    model: ({ V, C, layers }) => ({
      vocabSize: V,
      dModel: C,
      mixers: repeat(layers, () => mamba({ dModel: C })),
      feedForward: false,
    }),
    training: { batch: 8, length: 64, steps: 500, learningRate: 6e-3, weightDecay: 0.01, clip: 1 },
    seconds: 50,
  },
  mamba2: mixerAlone(
    'a matrix per head that fades as the position chooses',
    (dModel) => mamba2({ dModel, stateDim: 32, headDim: dModel / 2 }),
    true,
  ),
  s4d: mixerAlone('a long filter for each channel', (dModel) => s4d({ dModel }), true),
  s5: mixerAlone('turning sums that all channels share', (dModel) => s5({ dModel }), true),
  lru: mixerAlone(
    'the same from eigenvalues, without a continuous system',
    (dModel) => lru({ dModel }),
    true,
  ),
  attention: {
    title: 'multi-head softmax attention with rotary positions',
    dModel: 48,
    layers: 2,
    model: ({ V, C, layers }) => ({
      vocabSize: V,
      dModel: C,
      mixers: repeat(layers, () => attention({ dModel: C, numHeads: 4, rope: true })),
      feedForward: { hidden: 2 * C },
    }),
    training: { batch: 8, length: 64, steps: 800, learningRate: 6e-3, weightDecay: 0.01, clip: 1 },
    seconds: 80,
  },
  'linear-attention': mixerAlone('a matrix to which every position adds', (dModel) =>
    linearAttention({ dModel, ...heads }),
  ),
  retnet: mixerAlone(
    'a matrix that fades at the rate of its head',
    (dModel) => retnet({ dModel, ...heads }),
    true,
  ),
  'simple-gla': mixerAlone(
    'a matrix that fades as the position says',
    (dModel) => simpleGla({ dModel, ...heads }),
    true,
  ),
  gla: mixerAlone(
    'a matrix whose channels fade as the position says',
    (dModel) => gla({ dModel, ...heads }),
    true,
  ),
  hgrn2: mixerAlone('a matrix that takes in what it forgets', (dModel) => hgrn2({ dModel, ...heads }), true),
  'delta-rule': mixerAlone(
    'a matrix in which a key replaces its value',
    (dModel) => deltaRule({ dModel, ...heads }),
    true,
  ),
  'gated-delta-rule': mixerAlone('a matrix that fades, and in which a key replaces its value', (dModel) =>
    gatedDeltaRule({ dModel, ...heads }),
  ),
  rwkv7: mixerAlone(
    'RWKV-7: channels fade, one key is erased, another is written',
    (dModel) => rwkv7({ dModel }),
    true,
  ),
};

/** The recipes by name, in the order of tables. */
export const recipeNames: readonly string[] = Object.keys(blueprints);

/** The recipes that `compare` trains when none are named. */
export const comparedNames: readonly string[] = recipeNames.filter((name) => !blueprints[name].onDemand);

/** One line about a recipe. */
export function recipeTitle(name: string): string {
  return blueprintOf(name).title;
}

/** What the scheduler sorts by: expected seconds for these steps. */
export function expectedSeconds({ name, steps, batch, length }: Recipe): number {
  const { seconds, training } = blueprintOf(name);
  return (seconds * steps * batch * length) / (training.steps * training.batch * training.length);
}

/** The factor on the steps of these recipes with which they take about so many minutes, two at a time on two cores. */
export function stepFactorFor(names: readonly string[], minutes: number): number {
  const seconds = names.map((name) => blueprintOf(name).seconds);
  const total = seconds.reduce((sum, s) => sum + s, 0);
  return (minutes * 60) / Math.max(total / 2, ...seconds);
}

/** The recipe of a name for a vocabulary, with a user's changes. Throws a LabError (exit code 2) for an unknown name or an impossible size. */
export function recipe(name: string, vocabSize: number, changes: RecipeChanges = {}): Recipe {
  const { dModel, layers, model, training } = blueprintOf(name);
  const steps = changes.steps ?? Math.max(1, Math.round(training.steps * (changes.stepFactor ?? 1)));
  if (name === '2-gram' && (changes.dModel ?? changes.layers) !== undefined) {
    throw usageError(
      'train: the 2-gram is a table of one character by another, got --d-model or --layers. Leave them out.',
    );
  }
  let spec: LanguageModelSpec;
  try {
    spec = languageModel(
      model({ V: vocabSize, C: changes.dModel ?? dModel, layers: changes.layers ?? layers }),
    ).spec;
  } catch (error) {
    throw usageError(`train: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {
    name,
    spec,
    batch: changes.batch ?? training.batch,
    length: changes.length ?? training.length,
    steps,
    learningRate: changes.learningRate ?? training.learningRate,
    warmup: Math.min(100, Math.floor(steps / 10)),
    weightDecay: training.weightDecay,
    clip: training.clip,
  };
}

/** The language model of a spec, as a recipe or a checkpoint holds it. */
export function modelOf(spec: unknown): LanguageModel {
  return languageModelFromSpec(spec, factories);
}

function blueprintOf(name: string): Blueprint {
  const blueprint = Object.hasOwn(blueprints, name) ? blueprints[name] : undefined;
  if (!blueprint)
    throw usageError(
      `the model must be one of ${recipeNames.join(', ')}, got "${name}". Choose one of these.`,
    );
  return blueprint;
}
