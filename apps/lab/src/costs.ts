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

/** The plan of one generated character of one sequence after `past` others, the draw left out. */
export function generationPlan(lm: LanguageModel, params: LanguageModelParams, past: number): Plan {
  const state = lm.initState(1, { maxLength: past + 1 });
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

/** What a model costs under a recipe; `past` is how many characters a sequence holds while it generates. */
export function measureCosts(
  lm: LanguageModel,
  recipe: Recipe,
  optimizer: Optimizer,
  training: LanguageTraining,
  data: Batches,
  past: number,
): Costs {
  const plan = trainingPlan(lm, recipe, optimizer, training, data);
  return {
    params: countParams(training.params),
    trainBytes: plan.peakBytes,
    trainFlops: plan.flops,
    trainMatmulFlops: plan.matmulFlops,
    stateFloats: lm.cost({ B: 1, T: 1, form: 'step', past }).stateFloats,
    stepFlops: generationPlan(lm, training.params, past).flops,
  };
}
