import { at, stack, treeMap, valueAndGrad } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { CausalMixer, Mixer } from '@seq/nn';
import { floatLeaves, hostRandom, isFloatArray, toHost, toTensor, treeToHost } from './host.js';
import type { HostArray, HostTree, Place } from './host.js';
import { causalStageOf, livelyParams } from './stage.js';

/** A scalar on tensors, the inputs it is a function of, and what they are called. */
export interface Differentiable {
  readonly names: readonly string[];
  readonly inputs: readonly HostArray[];
  loss(inputs: readonly Tensor[]): Tensor;
}

/** Gradients of all inputs, null for those that are no floats. */
export type Gradients = readonly (HostArray | null)[];

/** Value on a place. */
export async function valueOn(
  { inputs, loss }: Differentiable,
  place: Place,
  moved: readonly HostArray[] = inputs,
): Promise<number> {
  const tensors = moved.map((x) => toTensor(x, place));
  const value = loss(tensors);
  const result = await value.item();
  for (const x of [value, ...tensors]) if (!x.disposed) x.dispose();
  return result;
}

/** Value and gradients on a place. */
export async function gradientsOn(
  { inputs, loss }: Differentiable,
  place: Place,
): Promise<[value: number, gradients: Gradients]> {
  const tensors = inputs.map((x) => toTensor(x, place));
  const floats = tensors.filter((_, i) => isFloatArray(inputs[i]));
  const [value, grads] = valueAndGrad((leaves: Tensor[]) => {
    let i = 0;
    return loss(tensors.map((x, j) => (isFloatArray(inputs[j]) ? leaves[i++] : x)));
  }, floats);
  const result: (HostArray | null)[] = [];
  let i = 0;
  for (const x of inputs) result.push(isFloatArray(x) ? await toHost(grads[i++]) : null);
  const number = await value.item();
  for (const x of [value, ...grads, ...tensors]) if (!x.disposed) x.dispose();
  return [number, result];
}

/** Σ weight · value with weights fixed by a seed. */
export function weigh(value: Tensor, seed: number): Tensor {
  const weights = hostRandom(seed).normal(value.shape);
  return value.mul(toTensor(weights, { device: value.device, dtype: value.dtype })).sum();
}

/** Which form of a mixer a loss runs through. */
export type Form = 'forward' | 'prefill' | 'step';

/**
 * Weighted sum of y and of the floats of the final state, as a function of parameters, input and initial
 * state. The initial state of `prefill` and `step` is one that three positions led to.
 */
export async function mixerLoss(mixer: Mixer, form: Form, place: Place, T: number): Promise<Differentiable> {
  const B = 2;
  const past = 3;
  const C = mixer.spec.dModel;
  const params = await livelyParams(mixer, place);
  const x = hostRandom(700).normal([B, T, C]);
  let state: HostTree = { like: {}, paths: [], leaves: [] };
  if (mixer.causal && form !== 'forward') {
    const stage = causalStageOf(mixer as CausalMixer<unknown, Tree>, place, params);
    const prompt = hostRandom(701).normal([B, past, C]);
    state = await treeToHost((await stage.prefill(prompt, stage.start(B, past + T)))[1]);
  }
  const n = params.leaves.length;
  return {
    names: [...params.paths.map((p) => `params.${p}`), 'x', ...state.paths.map((p) => `state.${p}`)],
    inputs: [...params.leaves, x, ...state.leaves],
    loss(inputs) {
      const p = filled(params.like, inputs.slice(0, n));
      const input = inputs[n];
      if (!mixer.causal || form === 'forward') return weigh(mixer.forward(p, input), 710);
      const initial = filled(state.like, inputs.slice(n + 1));
      const [y, final] =
        form === 'prefill' ? mixer.prefill(p, input, initial) : fold(mixer, p, input, initial);
      return floatLeaves(final).reduce((sum, leaf, i) => sum.add(weigh(leaf, 720 + i)), weigh(y, 710));
    },
  };
}

/** The tree with these leaves. */
function filled(like: Tree, leaves: readonly Tensor[]): Tree {
  let i = 0;
  return treeMap(() => leaves[i++], like);
}

/** `step` over all positions of x. */
function fold(mixer: CausalMixer<unknown, Tree>, params: Tree, x: Tensor, state: Tree): [Tensor, Tree] {
  const outputs: Tensor[] = [];
  for (let t = 0; t < x.shape[1]; t++) {
    const [y, next] = mixer.step(params, at(x, t, 1), state);
    outputs.push(y);
    state = next;
  }
  return [stack(outputs, 1), state];
}
