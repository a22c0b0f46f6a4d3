import type { LanguageModel, LanguageModelParams, LanguageModelState } from '@seq/lm';
import { countParams } from '@seq/nn';
import { disposeTree, explain, tensor } from '@seq/tensor';
import type { Plan, Tensor, Tree } from '@seq/tensor';
import { trainStep } from '@seq/train';
import type { Batches, Optimizer, Training } from '@seq/train';
import type { Recipe } from './recipes.js';
import type { Costs } from './types.js';

type LanguageTraining = Training<LanguageModelParams, LanguageModelState>;

/** The plan of a training step: loss, gradients, clipping and update. Runs nothing. */
export function trainingPlan(
  lm: LanguageModel,
  recipe: Recipe,
  optimizer: Optimizer,
  training: LanguageTraining,
  data: Batches,
): Plan {
  const step = trainStep(lm, optimizer, { clip: recipe.clip });
  const { tokens } = data.at(0);
  const plan = step.plan(training.params, training.optState, tokens, { key: training.key });
  tokens.dispose();
  return plan;
}

/** The plan of one generated character of one sequence, the draw left out; a cache has `slots` of them, and all are read. */
export function generationPlan(lm: LanguageModel, params: LanguageModelParams, slots: number): Plan {
  const state = lm.initState(1, { maxLength: slots });
  const token = tensor(Int32Array.of(0));
  const plan = explain(
    (p: LanguageModelParams, t: Tensor, s: LanguageModelState) => lm.step(p, t, s),
    params,
    token,
    state,
  );
  disposeTree([token, state as Tree]);
  return plan;
}

/** What a model costs under a recipe. While it generates, a cache holds as many characters as a training sequence has. */
export function measureCosts(
  lm: LanguageModel,
  recipe: Recipe,
  optimizer: Optimizer,
  training: LanguageTraining,
  data: Batches,
): Costs {
  const plan = trainingPlan(lm, recipe, optimizer, training, data);
  return {
    params: countParams(training.params),
    trainBytes: plan.peakBytes,
    trainFlops: plan.flops,
    trainMatmulFlops: plan.matmulFlops,
    stateFloats: lm.cost({ B: 1, T: 1, form: 'step', past: recipe.length - 1 }).stateFloats,
    stepFlops: generationPlan(lm, training.params, recipe.length).flops,
  };
}
