import {
  add,
  at,
  compile,
  disposeTree,
  foldIn,
  key,
  mean,
  mul,
  oneHot,
  randomInt,
  scope,
  split,
  square,
  stack,
  sub,
  sum,
  tensor,
  uniform,
  valueAndGrad,
} from '@seq/tensor';
import type { Key, Tensor, Tree } from '@seq/tensor';
import { countParams } from '@seq/nn';
import { elman, gru, lstm } from '@seq/rnn';
import { adam, clipByGlobalNorm, globalNorm } from '@seq/train';
import type { RecurrentMixer } from './jacobian.js';
import type { RemedyResult, VanishingSettings } from './types.js';

/** Sequences in a training step, and in the test. */
const [batch, tested] = [32, 512];
const learningRate = 1e-2;
/** Points of a training curve. */
const points = 60;

/** Mean squared error of always answering 1: twice the variance of U(0, 1). */
export const baseline: number = 1 / 6;

/** A model on the adding problem, and what is done to make it learn. */
export interface Remedy {
  readonly name: string;
  readonly title: string;
  readonly remedy: string;
  readonly clip: number | null;
  /** With H units over the two channels of the problem, for sequences of length T. */
  mixer(H: number, T: number): RecurrentMixer;
}

const channels = 2;
const tanh: Remedy['mixer'] = (H) => elman({ dModel: channels, hiddenDim: H });
const irnn: Remedy['mixer'] = (H) =>
  elman({ dModel: channels, hiddenDim: H, nonlinearity: 'relu', identityInit: true });

/** From no remedy to all three. */
export const remedies: readonly Remedy[] = [
  { name: 'tanh', title: 'Elman, tanh', remedy: 'none', clip: null, mixer: tanh },
  { name: 'tanh-clip', title: 'Elman, tanh, clipped', remedy: 'clipping', clip: 1, mixer: tanh },
  { name: 'irnn', title: 'IRNN', remedy: 'initialisation', clip: null, mixer: irnn },
  { name: 'irnn-clip', title: 'IRNN, clipped', remedy: 'initialisation, clipping', clip: 1, mixer: irnn },
  {
    name: 'gru',
    title: 'GRU',
    remedy: 'gating',
    clip: null,
    mixer: (H) => gru({ dModel: channels, hiddenDim: H }),
  },
  {
    name: 'lstm',
    title: 'LSTM, forget bias 0',
    remedy: 'gating',
    clip: null,
    mixer: (H) => lstm({ dModel: channels, hiddenDim: H }),
  },
  {
    name: 'lstm-chrono',
    title: 'LSTM, chrono init',
    remedy: 'gating, initialisation',
    clip: null,
    mixer: (H, T) => lstm({ dModel: channels, hiddenDim: H, chronoRange: T }),
  },
];

/**
 * Sequences of the adding problem: numbers from U(0, 1) beside marks, one mark in each half; the answer is the sum of
 * the two marked numbers.
 *
 * @returns x [B, T, 2], answer [B]
 * @see Hochreiter and Schmidhuber 1997, section 5.4; in this form Le, Jaitly and Hinton 2015, arXiv:1504.00941
 */
export function addingProblem(k: Key, B: number, T: number): { x: Tensor; answer: Tensor } {
  return scope(() => {
    const [forNumbers, forFirst, forSecond] = split(k, 3);
    const half = Math.floor(T / 2);
    const numbers = uniform(forNumbers, [B, T]);
    const marks = add(
      oneHot(randomInt(forFirst, [B], { low: 0, high: half }), T),
      oneHot(randomInt(forSecond, [B], { low: half, high: T }), T),
    );
    return { x: stack([numbers, marks], 2), answer: sum(mul(numbers, marks), 1) };
  });
}

/** Mean squared error of the first channel after the last position. */
function lossOf(
  mixer: RecurrentMixer,
  params: unknown,
  { x, answer }: { x: Tensor; answer: Tensor },
): Tensor {
  return scope(() => {
    const last = at(mixer.forward(params, x), x.shape[1] - 1, 1);
    return mean(square(sub(at(last, 0, 1), answer)));
  });
}

/** Trains a model on fresh sequences at every step, Adam at one learning rate for all, and tests it on others. */
export async function trainRemedy(
  { name, title, remedy, clip, mixer: mixerOf }: Remedy,
  { seed, hidden, length, steps }: VanishingSettings,
): Promise<RemedyResult> {
  const began = performance.now();
  const mixer = mixerOf(hidden, length);
  const [forWeights, forTraining, forTest] = split(foldIn(key(seed), 1_000_000), 3);
  const optimizer = adam({ lr: learningRate });
  let params: Tree = mixer.init(forWeights);
  let state = optimizer.init(params);
  const step = compile(
    (p: Tree, s: typeof state, k: Key, n: Tensor) => {
      const problem = addingProblem(foldIn(k, n), batch, length);
      const [loss, grads] = valueAndGrad((q: Tree) => lossOf(mixer, q, problem), p);
      const [clipped, norm] = clip === null ? [grads, globalNorm(grads)] : clipByGlobalNorm(grads, clip);
      const [next, after] = optimizer.update(p, clipped, s);
      return { next, after, numbers: stack([loss, norm]) };
    },
    { donate: [0, 1], name: `adding problem, ${name}` },
  );

  const curve: { step: number; loss: number }[] = [];
  const every = Math.max(1, Math.floor(steps / points));
  let [largest, losses, counted] = [0, 0, 0];
  for (let n = 1; n <= steps; n++) {
    using index = tensor(n, { dtype: 'i32' });
    const { next, after, numbers } = step(params, state, forTraining, index);
    [params, state] = [next, after];
    const [loss, norm] = await numbers.data();
    numbers.dispose();
    largest = Math.max(largest, norm);
    losses += loss;
    counted++;
    if (n % every !== 0 && n !== steps) continue;
    if (!Number.isFinite(losses)) break;
    curve.push({ step: n, loss: losses / counted });
    [losses, counted] = [0, 0];
  }
  const test = await scope(() => lossOf(mixer, params, addingProblem(forTest, tested, length))).item();
  const count = countParams(params);
  disposeTree([params, state, forWeights, forTraining, forTest]);
  step.dispose();
  return {
    name,
    title,
    remedy,
    clip,
    params: count,
    curve,
    test: Number.isFinite(test) ? test : null,
    largestGradient: Number.isFinite(largest) ? largest : null,
    seconds: (performance.now() - began) / 1000,
  };
}
