import { compile, logSoftmax, tensor, valueAndGrad } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { Mixer } from '@seq/nn';
import { hostRandom } from '../host.js';
import type { HostRandom, Place } from '../host.js';
import { adam, initModel, initTraining, logits, loss } from '../model.js';
import type { Model, Training } from '../model.js';
import { conditional, draw, entropy, symbols } from '../source.js';
import type { LawContext } from '../types.js';
import { number, require } from './report.js';

const law = 'learn';
const steps = 300;
const B = 16;
const T = 24;
const peak = 1e-2;
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
function nextSymbol(random: HostRandom, lag: number): Task {
  const all = draw(random, B, T + 1, lag);
  const ids = new Int32Array(B * T);
  const targets = new Int32Array(B * T).fill(-100);
  const truth: (number[] | null)[] = new Array<null>(B * T).fill(null);
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++) {
      const [i, j] = [b * T + t, b * (T + 1) + t];
      ids[i] = all[j]!;
      if (t + 1 < lag) continue;
      targets[i] = all[j + 1]!;
      truth[i] = conditional(all[j + 1 - lag]!);
    }
  return { ids, targets, truth };
}

/** Not causal: every eighth symbol is hidden and has to be told from those `lag` before and after it. */
function hiddenSymbol(random: HostRandom, lag: number): Task {
  const ids = draw(random, B, T, lag);
  const targets = new Int32Array(B * T).fill(-100);
  const truth: (number[] | null)[] = new Array<null>(B * T).fill(null);
  const shown = Int32Array.from(ids);
  for (let b = 0; b < B; b++)
    for (let t = Math.floor(8 * random.next()); t < T; t += 8) {
      if (t < lag || t + lag >= T) continue;
      const i = b * T + t;
      shown[i] = hole;
      targets[i] = ids[i]!;
      truth[i] = conditional(ids[i - lag]!, ids[i + lag]!);
    }
  return { ids: shown, targets, truth };
}

/** Positions that a law's source may ask a mixer to look back: 3, or what its receptive field holds. */
function lagFor(mixer: Mixer): number {
  const reach = mixer.reach ?? Infinity;
  return Math.max(1, Math.min(3, mixer.causal ? reach : Math.floor((reach - 1) / 2)));
}

/**
 * A model of two blocks around the mixer, trained for 300 steps on a lag-3 Markov source, comes within
 * 0.05 nat of its entropy. A mixer that declares a shorter reach gets a source of that lag; one that is
 * not causal fills holes instead.
 */
export async function learn(judged: Mixer, ctx: LawContext): Promise<void> {
  const mixer = ctx.learner ?? judged;
  const place: Place = { device: ctx.device, dtype: 'f32' };
  const lag = lagFor(mixer);
  const task = mixer.causal ? nextSymbol : hiddenSymbol;
  const random = hostRandom(1400);
  const ints = (data: Int32Array): Tensor => tensor(data, { shape: [B, T], device: place.device });

  const step = compile((training: Training, ids: Tensor, targets: Tensor, rate: Tensor, correction: Tensor): Training => {
    const [, grads] = valueAndGrad((model: Model) => loss(mixer, model, ids, targets), training.model as Model);
    return adam(training, grads as Tree, rate, correction);
  }, { donate: [0], name: 'learn' });
  const scalar = (v: number): Tensor => tensor(Float32Array.of(v), { shape: [], device: place.device });

  let training = initTraining(initModel(mixer, symbols + 1, place));
  for (let i = 1; i <= steps; i++) {
    const { ids, targets } = task(random, lag);
    const warm = Math.min(1, i / 20) * 0.5 * (1 + Math.cos((Math.PI * i) / steps));
    training = step(training, ints(ids), ints(targets), scalar((peak * warm) / (1 - 0.9 ** i)), scalar(1 / (1 - 0.99 ** i)));
  }
  const excess = await above(mixer, training.model as Model, task(hostRandom(1401), lag), ints);
  const limit = ctx.tolerances.learn;
  require(ctx, law, excess.nats <= limit, () => `after ${steps} steps on a lag-${lag} source of entropy ${number(excess.entropy)} nat the model must be within ${limit} nat of it, it is ${number(excess.nats)} above. The mechanism may not carry what lies ${lag} positions back, or its gradient or its initial scale may keep it from learning.`);
}

/** Mean of Σ p (log p − log q) over the positions asked, and mean entropy: no noise of sampled targets. */
async function above(
  mixer: Mixer,
  model: Model,
  { ids, truth }: Task,
  ints: (data: Int32Array) => Tensor,
): Promise<{ nats: number; entropy: number }> {
  const logq = await logSoftmax(logits(mixer, model, ints(ids))).data();
  let nats = 0;
  let h = 0;
  let n = 0;
  for (const [i, p] of truth.entries()) {
    if (!p) continue;
    n++;
    h += entropy(p);
    p.forEach((q, v) => (nats -= q * logq[i * (symbols + 1) + v]!));
  }
  return { nats: (nats - h) / n, entropy: h / n };
}
