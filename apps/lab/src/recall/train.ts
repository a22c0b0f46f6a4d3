import {
  argMax,
  compile,
  crossEntropy,
  disposeTree,
  eq,
  foldIn,
  key,
  mean,
  scope,
  slice,
  split,
  tensor,
  valueAndGrad,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { countParams } from '@seq/nn';
import { adam, clipByGlobalNorm } from '@seq/train';
import type { Subject } from './subjects.js';
import { recallTask } from './task.js';
import type { RecallResult, RecallSettings } from './types.js';

/** Tokens of a training step, so that steps cost alike whatever the number of pairs. */
const tokensPerStep = 1536;
const mostRows = 64;
const learningRate = 4e-3;

/** Logits [B, N, V] of the questions. */
function answersOf(lm: LanguageModel, params: LanguageModelParams, tokens: Tensor, N: number): Tensor {
  return slice(lm.forward(params, tokens), 1, 2 * N);
}

/** Trains a model on all numbers of pairs in turn, on fresh sequences at every step, and tests it on others. */
export async function trainRecall(
  { name, title, mechanism, size, lm }: Subject,
  { seed, steps, pairs, tested }: RecallSettings,
): Promise<RecallResult> {
  const began = performance.now();
  const [forWeights, forTraining, forTest] = split(key(seed), 3);
  const optimizer = adam({ lr: learningRate });
  let params = lm.init(forWeights);
  let state = optimizer.init(params);
  const plans = pairs.map((N) => {
    const B = Math.min(mostRows, Math.max(1, Math.floor(tokensPerStep / (3 * N))));
    const step = (p: LanguageModelParams, s: typeof state, k: Key, n: Tensor) => {
      const { tokens, answers } = recallTask(foldIn(k, n), B, N);
      const [loss, grads] = valueAndGrad(
        (q: LanguageModelParams) => crossEntropy(answersOf(lm, q, tokens, N), answers),
        p,
      );
      const [next, after] = optimizer.update(p, clipByGlobalNorm(grads, 1)[0], s);
      return { next, after, loss };
    };
    return compile(step, { donate: [0, 1], name: `recall of ${N} pairs, ${name}` });
  });

  const counted = Math.max(1, Math.ceil(steps / 10));
  let total = 0;
  for (let n = 0; n < steps; n++) {
    using index = tensor(n, { dtype: 'i32' });
    const { next, after, loss } = plans[n % plans.length](params, state, forTraining, index);
    [params, state] = [next, after];
    const value = await loss.item();
    loss.dispose();
    if (n >= steps - counted) total += value;
  }
  const accuracy: number[] = [];
  for (const [i, N] of pairs.entries()) {
    const right = scope(() => {
      const { tokens, answers } = recallTask(foldIn(forTest, i), tested, N);
      return mean(eq(argMax(answersOf(lm, params, tokens, N)), answers).cast('f32'));
    });
    accuracy.push(await right.item());
    right.dispose();
  }
  const result: RecallResult = {
    name,
    title,
    mechanism,
    size,
    stateFloats: lm.cost({ B: 1, T: 1, form: 'step', past: 3 * Math.max(...pairs) - 1 }).stateFloats,
    params: countParams(params),
    accuracy,
    loss: total / counted,
    seconds: (performance.now() - began) / 1000,
  };
  disposeTree([params, state, forWeights, forTraining, forTest]);
  for (const plan of plans) plan.dispose();
  return result;
}
