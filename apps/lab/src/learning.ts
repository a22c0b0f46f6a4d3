import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { adamw, cosine, evaluate } from '@seq/train';
import type { Optimizer } from '@seq/train';
import type { Recipe } from './recipes.js';
import { stateGrows } from './write.js';

/** AdamW with warm-up and cosine, as a recipe asks. */
export function optimizerOf(recipe: Recipe, lm: LanguageModel): Optimizer {
  const { learningRate, steps, warmup, weightDecay } = recipe;
  return adamw({
    lr: cosine({ peak: learningRate, total: steps, warmup, floor: learningRate / 10 }),
    betas: [0.9, 0.99],
    weightDecay,
    decayMask: (params) => lm.decayMask(params),
  });
}

/**
 * Nats per character over all of `tokens` but the first.
 *
 * States of constant size are carried through the text; caches see windows of `length` that overlap by half, so every
 * character but the first ones has at least half a window before it. Undefined when stopped.
 */
export async function validate(
  lm: LanguageModel,
  params: LanguageModelParams,
  tokens: Int32Array,
  length: number,
  stop?: AbortSignal,
): Promise<number | undefined> {
  const grows = stateGrows(lm);
  try {
    const { nats } = await evaluate(lm, params, tokens, {
      B: 16,
      T: length,
      carry: !grows,
      overlap: grows ? Math.floor(length / 2) : 0,
      ...(stop ? { signal: stop } : {}),
    });
    return nats;
  } catch (error) {
    if (stop?.aborted) return undefined;
    throw error;
  }
}
