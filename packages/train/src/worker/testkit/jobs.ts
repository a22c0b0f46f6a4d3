import { languageModel } from '@seq/lm';
import { gru } from '@seq/rnn';
import { cpu, DeviceLostError, disposeTree, OptionError, tensor, treeLeaves } from '@seq/tensor';
import { adamw, randomCrops, startTraining, train } from '../../index.js';
import type { StepEvent } from '../../index.js';
import type { Job } from '../index.js';

// The jobs of the tests; served in a worker or to a port.

/** Trains a small model; its events are those of `train`. Everything it made is gone afterwards. */
async function trainSmall(
  { steps }: { steps: number },
  { emit, signal }: Job<StepEvent>,
): Promise<{ finished: boolean; step: number; weights: Float32Array }> {
  const model = languageModel({ vocabSize: 7, dModel: 16, mixers: [gru({ dModel: 16 })] });
  const optimizer = adamw({ lr: 0.01 });
  const ids = Array.from({ length: 400 }, (_, i) => (i * i) % 7);
  const data = randomCrops(ids, { B: 4, T: 16 });
  const training = startTraining(model, optimizer);
  const { finished, step } = await train(model, training, { data, optimizer, steps, signal, onStep: emit });
  const weights = Float32Array.from(await treeLeaves(training.params)[0].data());
  data.dispose();
  disposeTree([training.params, training.optState, training.key]);
  return { finished, step, weights };
}

async function count({ to }: { to: number }, { emit, signal }: Job<number>): Promise<number> {
  let n = 0;
  for (; n < to && !signal.aborted; n++) await emit(n);
  return n;
}

/** What the device of the worker holds. */
function held(): number[] {
  const { tensors, bytes } = cpu().memory();
  return [tensors, bytes];
}

function fail(how: 'lost' | 'plain' | 'text'): never {
  if (how === 'text') throw 'no error at all';
  const cause = new OptionError('inner: n must be 1, got 2. Pass 1.');
  if (how === 'plain') throw new RangeError('outer', { cause });
  throw Object.assign(new DeviceLostError('outer: the device must live, got lost. Ask again.'), { cause });
}

function forever(_: null, { signal }: Job<never>): Promise<string> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve('stopped'));
  });
}

function crash(): Promise<never> {
  setTimeout(() => {
    throw new Error('out of the blue');
  });
  return new Promise(() => {});
}

const double = ({ values }: { values: Float64Array }): { values: Float64Array } => ({
  values: values.map((v) => 2 * v),
});

/** Jobs by name. */
export const jobs: {
  train: typeof trainSmall;
  count: typeof count;
  double: typeof double;
  held: typeof held;
  fail: typeof fail;
  tensorResult: () => unknown;
  forever: typeof forever;
  crash: typeof crash;
} = {
  train: trainSmall,
  count,
  double,
  held,
  fail,
  tensorResult: () => ({ deep: [tensor([1, 2])] }),
  forever,
  crash,
};

/** What the tests open. */
export type TestJobs = typeof jobs;
