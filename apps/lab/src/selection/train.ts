import {
  argMax,
  compile,
  crossEntropy,
  disposeTree,
  eq,
  foldIn,
  key,
  ne,
  scope,
  split,
  stack,
  sum,
  valueAndGrad,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { languageModel } from '@seq/lm';
import type { LanguageModelParams } from '@seq/lm';
import { countParams } from '@seq/nn';
import { adam, clipByGlobalNorm, cosine } from '@seq/train';
import type { Subject } from './subjects.js';
import { unasked, vocabSize } from './tasks.js';
import type { Batch, Task } from './tasks.js';
import type { SelectionResult, SelectionSettings } from './types.js';

/** Sequences of a training step, and of a part of a test. */
const rows = 32;
const layers = 2;
const learningRate = 1e-2;
/** Points of a training curve. */
const points = 40;

/** Trains two layers of a mechanism on fresh sequences of a task at every step, and tests them on others. */
export async function trainSelection(
  task: Task,
  { name, title, selects, mixer }: Subject,
  { seed, steps, dModel, lengths, factors, tested }: SelectionSettings,
): Promise<SelectionResult> {
  const began = performance.now();
  const length = lengths[task.name];
  const mixers = Array.from({ length: layers }, () => mixer(dModel));
  const lm = languageModel({ vocabSize, dModel, mixers, feedForward: false });
  const [forWeights, forTraining, forTest] = split(key(seed), 3);
  const lr = cosine({
    peak: learningRate,
    total: steps,
    warmup: Math.floor(steps / 10),
    floor: learningRate / 10,
  });
  const optimizer = adam({ lr });
  let params = lm.init(forWeights);
  let state = optimizer.init(params);
  const step = compile(
    (p: LanguageModelParams, s: typeof state, { tokens, targets }: Batch) => {
      const [[loss, right], grads] = valueAndGrad((q: LanguageModelParams): [Tensor, Tensor] => {
        const logits = lm.forward(q, tokens);
        return [crossEntropy(logits, targets, { ignoreIndex: unasked }), rightShare(logits, targets)];
      }, p);
      const [next, after] = optimizer.update(p, clipByGlobalNorm(grads, 1)[0], s);
      return { next, after, numbers: stack([loss, right]) };
    },
    { donate: [0, 1], name: `${task.name}, ${name}` },
  );

  const curve: { step: number; accuracy: number; loss: number }[] = [];
  const every = Math.max(1, Math.floor(steps / points));
  let [loss, accuracy, counted] = [0, 0, 0];
  for (let n = 1; n <= steps; n++) {
    using at = foldIn(forTraining, n);
    const batch = await task.draw(at, rows, length);
    const { next, after, numbers } = step(params, state, batch);
    [params, state] = [next, after];
    const [nats, right] = await numbers.data();
    disposeTree([numbers, batch]);
    loss += nats;
    accuracy += right;
    counted++;
    if (n % every !== 0 && n !== steps) continue;
    curve.push({ step: n, accuracy: accuracy / counted, loss: loss / counted });
    [loss, accuracy, counted] = [0, 0, 0];
  }

  const reached: number[] = [];
  for (const factor of factors) {
    let right = 0;
    const parts = Math.ceil(tested / rows);
    for (let part = 0; part < parts; part++) {
      using at = foldIn(forTest, factor * parts + part);
      const batch = await task.draw(at, rows, factor * length);
      right += await scope(() => rightShare(lm.forward(params, batch.tokens), batch.targets)).item();
      disposeTree(batch);
    }
    reached.push(right / parts);
  }
  const result: SelectionResult = {
    task: task.name,
    name,
    title,
    selects,
    params: countParams(params),
    stateFloats: lm.cost({ B: 1, T: 1, form: 'step', past: length - 1 }).stateFloats,
    curve,
    accuracy: reached,
    seconds: (performance.now() - began) / 1000,
  };
  disposeTree([params, state, forWeights, forTraining, forTest]);
  step.dispose();
  return result;
}

/** Share of right answers among the positions that ask. */
function rightShare(logits: Tensor, targets: Tensor): Tensor {
  return scope(() => {
    const right = sum(eq(argMax(logits), targets).cast('f32'));
    return right.div(sum(ne(targets, unasked).cast('f32')));
  });
}
