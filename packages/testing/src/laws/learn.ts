import { compile, disposeTree, logSoftmax, tensor, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Mixer } from '@seq/nn';
import { hostRandom } from '../host.js';
import type { HostRandom, Place } from '../host.js';
import { adam, initModel, initTraining, logits, loss } from '../model.js';
import type { Model, Training } from '../model.js';
import { conditional, draw, entropy, symbols } from '../source.js';
import type { LawContext } from '../types.js';
import { number, require } from './report.js';

const law = 'learn';
const steps = 800;
const checkEvery = 50;
const B = 16;
const T = 16;
/** Sequences that the model is judged on. */
const judged = 64;
const peak = 2e-2;
/** The symbol shown in place of one that has to be guessed from both sides. */
const hole = symbols;

/** What a mixer is shown, what it has to tell, and the true distribution of that. */
interface Task {
  readonly ids: Int32Array;
  /** −100 where nothing is asked. */
  readonly targets: Int32Array;
  readonly truth: readonly (readonly number[] | null)[];
}

/** Causal: the next symbol from all before it. */
function nextSymbol(random: HostRandom, rows: number, lag: number): Task {
  const all = draw(random, rows, T + 1, lag);
  const ids = new Int32Array(rows * T);
  const targets = new Int32Array(rows * T).fill(-100);
  const truth: (number[] | null)[] = new Array<null>(rows * T).fill(null);
  for (let b = 0; b < rows; b++)
    for (let t = 0; t < T; t++) {
      const [i, j] = [b * T + t, b * (T + 1) + t];
      ids[i] = all[j]!;
      if (t + 1 < lag) continue;
      targets[i] = all[j + 1]!;
      truth[i] = conditional(all[j + 1 - lag]);
    }
  return { ids, targets, truth };
}

/** Not causal: every eighth symbol is hidden and has to be told from those `lag` before and after it. */
function hiddenSymbol(random: HostRandom, rows: number, lag: number): Task {
  const ids = draw(random, rows, T, lag);
  const targets = new Int32Array(rows * T).fill(-100);
  const truth: (number[] | null)[] = new Array<null>(rows * T).fill(null);
  const shown = Int32Array.from(ids);
  for (let b = 0; b < rows; b++)
    for (let t = Math.floor(8 * random.next()); t < T; t += 8) {
      if (t < lag || t + lag >= T) continue;
      const i = b * T + t;
      shown[i] = hole;
      targets[i] = ids[i]!;
      truth[i] = conditional(ids[i - lag], ids[i + lag]);
    }
  return { ids: shown, targets, truth };
}

/** Positions that a law's source may ask a mixer to look back: 3, or what its receptive field holds. */
function lagFor(mixer: Mixer): number {
  const reach = mixer.reach ?? Infinity;
  return Math.max(1, Math.min(3, mixer.causal ? reach : Math.floor((reach - 1) / 2)));
}

/**
 * A model of two blocks around the mixer, trained for at most 800 steps on a lag-3 Markov source, comes
 * within 0.05 nat of its entropy. A mixer that declares a shorter reach gets a source of that lag; one that
 * is not causal fills holes instead.
 */
export async function learn(subject: Mixer, ctx: LawContext): Promise<void> {
  const mixer = ctx.learner ?? subject;
  const place: Place = { device: ctx.device, dtype: 'f32' };
  const lag = lagFor(mixer);
  const task = mixer.causal ? nextSymbol : hiddenSymbol;
  const random = hostRandom(1400);
  const test = task(hostRandom(1401), judged, lag);
  const ints = (data: Int32Array): Tensor =>
    tensor(data, { shape: [data.length / T, T], device: place.device });
  const scalar = (v: number): Tensor => tensor(Float32Array.of(v), { shape: [], device: place.device });

  const step = compile(
    (training: Training, ids: Tensor, targets: Tensor, rate: Tensor, correction: Tensor): Training => {
      const [, grads] = valueAndGrad(
        (model: Model) => loss(mixer, model, ids, targets),
        training.model as Model,
      );
      return adam(training, grads, rate, correction);
    },
    { donate: [0], name: 'learn' },
  );
  const predict = compile((model: Model, ids: Tensor): Tensor => logSoftmax(logits(mixer, model, ids)));
  try {
    let training = initTraining(initModel(mixer, symbols + 1, place));
    let best = { nats: Infinity, entropy: NaN };
    for (let i = 1; i <= steps; i++) {
      const { ids, targets } = task(random, B, lag);
      const rate = peak * Math.min(1, i / 20) * 0.5 * (1 + Math.cos((Math.PI * i) / steps));
      const data = [
        ints(ids),
        ints(targets),
        scalar(rate / (1 - 0.9 ** i)),
        scalar(1 / (1 - 0.99 ** i)),
      ] as const;
      training = step(training, ...data);
      disposeTree(data);
      if (i % checkEvery !== 0) continue;
      const shown = ints(test.ids);
      const logq = predict(training.model as Model, shown);
      const now = above(test, await logq.data());
      disposeTree([shown, logq]);
      if (!(now.nats >= best.nats)) best = now;
      if (best.nats <= ctx.tolerances.learn) break;
    }
    disposeTree(training);
    require(ctx, law, best.nats <= ctx.tolerances.learn, () =>
      `within ${steps} steps on a lag-${lag} source of entropy ${number(best.entropy)} nat the model must come within ${ctx.tolerances.learn} nat of it, the nearest it came is ${number(best.nats)} above. The mechanism may not carry what lies ${lag} positions back, or its gradient or its initial scale may keep it from learning.`);
  } finally {
    step.dispose();
    predict.dispose();
  }
}

/** Mean of Σ p (log p − log q) over the positions asked, and mean entropy: no noise of sampled targets. */
function above({ truth }: Task, logq: ArrayLike<number>): { nats: number; entropy: number } {
  let nats = 0;
  let h = 0;
  let n = 0;
  for (const [i, p] of truth.entries()) {
    if (!p) continue;
    n++;
    h += entropy(p);
    p.forEach((q, v) => (nats -= q * logq[i * (symbols + 1) + v]));
  }
  return { nats: (nats - h) / n, entropy: h / n };
}
