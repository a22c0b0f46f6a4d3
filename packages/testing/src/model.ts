import {
  crossEntropy,
  foldIn,
  gather,
  key,
  matmul,
  normal,
  ones,
  relu,
  rsqrt,
  sqrt,
  square,
  treeMap,
  zeros,
} from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { Mixer } from '@seq/nn';
import type { Place } from './host.js';

/** Parameters of one block: x + mixer(norm(x)), then x + W₂ relu(W₁ norm(x)). */
interface Block {
  readonly [name: string]: Tree;
  readonly mixer: Tree;
  readonly mixerGain: Tensor;
  readonly up: Tensor;
  readonly down: Tensor;
  readonly gain: Tensor;
}

/** Parameters of the small model around a mixer. */
export interface Model {
  readonly [name: string]: Tree;
  readonly embed: Tensor;
  readonly blocks: readonly Block[];
  readonly gain: Tensor;
  readonly head: Tensor;
}

const blocks = 2;

/** A model of two blocks over a vocabulary of V symbols. */
export function initModel(mixer: Mixer, V: number, place: Place): Model {
  const C = mixer.spec.dModel;
  const hidden = 2 * C;
  const root = key(30, { device: place.device });
  let drawn = 0;
  const random = (shape: readonly number[], std: number): Tensor =>
    normal(foldIn(root, drawn++), shape, { std, ...place });
  const block = (): Block => ({
    mixer: mixer.init(foldIn(root, drawn++), place) as Tree,
    mixerGain: ones([C], place),
    up: random([C, hidden], 1 / Math.sqrt(C)),
    down: random([hidden, C], 0.5 / Math.sqrt(hidden)),
    gain: ones([C], place),
  });
  return {
    embed: random([V, C], 1),
    blocks: Array.from({ length: blocks }, block),
    gain: ones([C], place),
    head: random([C, V], 1 / Math.sqrt(C)),
  };
}

function norm(x: Tensor, gain: Tensor): Tensor {
  return x.mul(rsqrt(square(x).mean(-1, { keepDims: true }).add(1e-6))).mul(gain);
}

/** ids [B, T] → logits [B, T, V] */
export function logits(mixer: Mixer, model: Model, ids: Tensor): Tensor {
  let x = gather(model.embed, ids);
  for (const b of model.blocks) {
    x = x.add(mixer.forward(b.mixer, norm(x, b.mixerGain)));
    x = x.add(matmul(relu(matmul(norm(x, b.gain), b.up)), b.down));
  }
  return matmul(norm(x, model.gain), model.head);
}

/** Mean cross-entropy over the targets that are not −100. */
export function loss(mixer: Mixer, model: Model, ids: Tensor, targets: Tensor): Tensor {
  return crossEntropy(logits(mixer, model, ids), targets);
}

/** First and second moments of Adam, and the model they belong to. */
export interface Training {
  readonly [name: string]: Tree;
  readonly model: Tree;
  readonly m: Tree;
  readonly v: Tree;
}

/** Training from a fresh model; integers of a mixer are not trained. */
export function initTraining(model: Tree): Training {
  const empty = (): Tree =>
    treeMap((p: Tensor) => zeros(p.shape, { device: p.device, dtype: p.dtype }), model);
  return { model, m: empty(), v: empty() };
}

/** One step of Adam: m ← 0.9 m + 0.1 g, v ← 0.99 v + 0.01 g², p ← p − rate · m / (√v + 1e-8); `rate` corrects the bias. */
export function adam({ model, m, v }: Training, grads: Tree, rate: Tensor, correction: Tensor): Training {
  const float = (p: Tensor): boolean => p.dtype === 'f32';
  const m2 = treeMap((a: Tensor, g: Tensor) => (float(a) ? a.mul(0.9).add(g.mul(0.1)) : a), m, grads);
  const v2 = treeMap(
    (a: Tensor, g: Tensor) => (float(a) ? a.mul(0.99).add(square(g).mul(0.01)) : a),
    v,
    grads,
  );
  const next = treeMap(
    (p: Tensor, a: Tensor, b: Tensor) =>
      float(p) ? p.sub(a.div(sqrt(b.mul(correction)).add(1e-8)).mul(rate)) : p,
    model,
    m2,
    v2,
  );
  return { model: next, m: m2, v: v2 };
}
