import { at, compile, key, stack } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { CausalMixer, Mixer, RunOptions } from '@seq/nn';
import { hostRandom, isFloatArray, toHost, toTensor, treeToHost, treeToTensors } from './host.js';
import type { HostArray, HostTree, Place } from './host.js';

/** Parameters as the laws use them: those of `init`, none of them left at a special value such as 0 or 1. */
export async function livelyParams(mixer: Mixer, { device }: Pick<Place, 'device'>): Promise<HostTree> {
  const drawn = await treeToHost(mixer.init(key(20, { device }), { device, dtype: 'f32' }) as Tree);
  const random = hostRandom(21);
  return {
    ...drawn,
    leaves: drawn.leaves.map((leaf) => {
      if (!isFloatArray(leaf)) return leaf;
      const noise = random.normal(leaf.shape, { std: 0.1 }).data;
      return { ...leaf, data: leaf.data.map((v, i) => Math.fround(v + noise[i])) };
    }),
  };
}

/** A mixer with parameters on a device, run on host arrays. */
export interface Stage<M extends Mixer = Mixer> {
  readonly mixer: M;
  readonly place: Place;
  readonly params: Tree;
  tensor(host: HostArray): Tensor;
  forward(x: HostArray, o?: RunOptions): Promise<HostArray>;
}

/** The stage of a causal mixer; states are moved in, as in the contract. */
export interface CausalStage extends Stage<CausalMixer<unknown, Tree>> {
  start(batch: number, maxLength: number): Tree;
  prefill(x: HostArray, state: Tree, o?: RunOptions): Promise<[HostArray, Tree]>;
  /** Folds `step` over time, with run options for each position where there are any. */
  fold(x: HostArray, state: Tree, options?: (t: number) => RunOptions): Promise<[HostArray, Tree]>;
  /** Folds a compiled `step` whose state is donated; `plans` were made after the first position. */
  foldCompiled(x: HostArray, state: Tree): Promise<{ y: HostArray; plans: number }>;
}

/** Puts a mixer with given parameters on a place. */
export function stageOf(mixer: Mixer, place: Place, params: HostTree): Stage {
  const placed = treeToTensors<Tree>(params, place);
  return {
    mixer,
    place,
    params: placed,
    tensor: (host) => toTensor(host, place),
    forward: (x, o) => toHost(mixer.forward(placed, toTensor(x, place), o)),
  };
}

/** The same for a causal mixer. */
export function causalStageOf(
  mixer: CausalMixer<unknown, Tree>,
  place: Place,
  params: HostTree,
): CausalStage {
  const stage = stageOf(mixer, place, params);
  return {
    ...stage,
    mixer,
    start: (batch, maxLength) => mixer.initState(batch, { ...place, maxLength }),
    async prefill(x, state, o) {
      const [y, next] = mixer.prefill(stage.params, stage.tensor(x), state, o);
      return [await toHost(y), next];
    },
    async fold(x, state, options) {
      const input = stage.tensor(x);
      const outputs: Tensor[] = [];
      for (let t = 0; t < x.shape[1]; t++) {
        const [y, next] = mixer.step(stage.params, at(input, t, 1), state, options?.(t));
        outputs.push(y);
        state = next;
      }
      if (outputs.length === 0) return [x, state];
      return [await toHost(stack(outputs, 1)), state];
    },
    async foldCompiled(x, state) {
      const run = (p: Tree, token: Tensor, s: Tree): [Tensor, Tree] => mixer.step(p, token, s);
      const step = compile(run, { donate: [2], name: 'step' });
      const input = stage.tensor(x);
      const outputs: Tensor[] = [];
      let plans = 0;
      try {
        for (let t = 0; t < x.shape[1]; t++) {
          const [y, next] = step(stage.params, at(input, t, 1), state);
          outputs.push(y);
          state = next;
          if (t === 0) plans = place.device.counters.plans;
        }
        return { y: await toHost(stack(outputs, 1)), plans: place.device.counters.plans - plans };
      } finally {
        step.dispose();
      }
    },
  };
}

/** Positions `start … stop − 1` of [B, T, C]. */
export function cut({ data, shape, dtype }: HostArray, start: number, stop: number): HostArray {
  const [B, T] = shape as [number, number];
  const row = data.length / (B * T || 1);
  const out = new Float64Array(B * (stop - start) * row);
  for (let b = 0; b < B; b++)
    out.set(data.subarray((b * T + start) * row, (b * T + stop) * row), b * (stop - start) * row);
  return { data: out, shape: [B, stop - start, ...shape.slice(2)], ...(dtype ? { dtype } : {}) };
}

/** Row `b` of [B, …] as [1, …]. */
export function row({ data, shape }: HostArray, b: number): HostArray {
  const size = data.length / shape[0];
  return { data: data.slice(b * size, (b + 1) * size), shape: [1, ...shape.slice(1)] };
}

/** Joins pieces of [B, T, C] along time. */
export function join(pieces: readonly HostArray[]): HostArray {
  const [B, , ...rest] = pieces[0].shape as [number, number, ...number[]];
  const size = rest.reduce((n, d) => n * d, 1);
  const T = pieces.reduce((n, p) => n + p.shape[1], 0);
  const data = new Float64Array(B * T * size);
  for (let b = 0, to = 0; b < B; b++)
    for (const piece of pieces) {
      const n = piece.shape[1] * size;
      data.set(piece.data.subarray(b * n, (b + 1) * n), to);
      to += n;
    }
  return { data, shape: [B, T, ...rest] };
}
