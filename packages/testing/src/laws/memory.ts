import { SeqError, at, compile, disposeTree, treeLeaves, valueAndGrad } from '@seq/tensor';
import type { Device, Tensor, Tree } from '@seq/tensor';
import { cloneState } from '@seq/nn';
import type { CausalMixer, Mixer } from '@seq/nn';
import { gradientsOn, mixerLoss } from '../differentiable.js';
import { hostRandom, toHost } from '../host.js';
import type { HostArray, HostTree, Place } from '../host.js';
import { causalStageOf, cut, livelyParams, stageOf } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, described, require, thrown, width } from './report.js';

/** Everything a mixer computes from one input on a device, by name. */
async function everything(mixer: Mixer, place: Place, T: number): Promise<[string, HostArray][]> {
  const params = await livelyParams(mixer, place);
  const results: [string, HostArray][] = [];
  for (const seed of [800, 801]) {
    const x = hostRandom(seed).normal([2, T, width(mixer)]);
    results.push(['forward', await stageOf(mixer, place, params).forward(x)]);
    if (mixer.causal) {
      const stage = causalStageOf(mixer as CausalMixer<unknown, Tree>, place, params);
      const [y, state] = await stage.prefill(cut(x, 0, T - 2), stage.start(2, T));
      results.push(['prefill', y], ['step', (await stage.fold(cut(x, T - 2, T), state))[0]]);
    }
    const target = await mixerLoss(mixer, mixer.causal ? 'prefill' : 'forward', place, T);
    const [, gradients] = await gradientsOn(target, place);
    for (const [i, g] of gradients.entries()) if (g) results.push([`gradient by ${target.names[i]}`, g]);
  }
  return [...results, ...(await compiled(mixer, place, params, T))];
}

/** Output and gradients by a plan that is replayed, so that its arena holds what the run before left there. */
async function compiled(
  mixer: Mixer,
  place: Place,
  params: HostTree,
  T: number,
): Promise<[string, HostArray][]> {
  const stage = stageOf(mixer, place, params);
  const run = compile((p: Tree, x: Tensor): Tree => {
    const loss = (q: Tree): [Tensor, Tensor] => {
      const y = mixer.forward(q, x);
      return [y.square().sum(), y];
    };
    const [[, y], grads] = valueAndGrad(loss, p);
    return [y, grads];
  });
  const results: [string, HostArray][] = [];
  for (const seed of [802, 803]) {
    const input = stage.tensor(hostRandom(seed).normal([2, T, width(mixer)]));
    for (const leaf of treeLeaves(run(stage.params, input)))
      results.push(['a replayed plan', await toHost(leaf)]);
  }
  run.dispose();
  return results;
}

/** The device with poisoned memory beside each device that is judged: one for all mixers, which share its kernels. */
const poisonedBeside = new WeakMap<Device, Promise<Device | null>>();

function poisonedOf({ device, on }: LawContext): Promise<Device | null> {
  let made = poisonedBeside.get(device);
  if (made === undefined) poisonedBeside.set(device, (made = on.fresh({ poison: true })));
  return made;
}

/** The same results, bit for bit, on a device whose recycled memory is filled with NaN. */
export async function recycledMemory(mixer: Mixer, ctx: LawContext): Promise<void> {
  const law = 'recycled memory';
  const T = (ctx.border?.size ?? 3) + 3;
  const poisoned = await poisonedOf(ctx);
  if (!poisoned) return;
  for (const dtype of ctx.on.dtypes) {
    const want = await everything(mixer, { device: ctx.device, dtype }, T);
    const got = await everything(mixer, { device: poisoned, dtype }, T);
    for (const [i, [name, value]] of got.entries())
      agree(ctx, law, `${name} in poisoned and in clean memory`, value, want[i][1], {
        tolerance: 0,
        note: dtype,
      });
  }
}

function held(device: Device): { tensors: number; bytes: number } {
  const { tensors, bytes } = device.memory();
  return { tensors, bytes };
}

/** A call leaves behind what it returns and nothing else; disposing that leaves nothing. */
export async function noLeak(mixer: Mixer, ctx: LawContext): Promise<void> {
  const law = 'no leak';
  const { device } = ctx;
  const place: Place = { device, dtype: 'f32' };
  const T = (ctx.border?.size ?? 3) + 3;
  const stage = stageOf(mixer, place, await livelyParams(mixer, place));
  const x = stage.tensor(hostRandom(810).normal([2, T, width(mixer)]));
  const check = async (name: string, run: () => Tree, rounds = 3): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const before = held(device);
      const result = run();
      for (const leaf of treeLeaves(result)) await leaf.realize();
      const expected = treeLeaves(result).length;
      const more = device.memory().tensors - before.tensors;
      require(ctx, law, more <= expected, () =>
        `${name} must leave the ${expected} tensors that it returns, it leaves ${more}. Wrap the work in scope().`);
      disposeTree(result);
      const after = held(device);
      require(ctx, law, after.tensors <= before.tensors && after.bytes <= before.bytes, () =>
        `${name} must leave nothing once its result is disposed, it leaves ${after.tensors - before.tensors} tensors and ${after.bytes - before.bytes} bytes.`);
    }
  };
  await check('forward', () => mixer.forward(stage.params, x));
  await check(
    'the gradient of forward',
    () => valueAndGrad((p: Tree) => mixer.forward(p, x).sum(), stage.params) as Tree,
  );
  if (!mixer.causal) return;
  const state = (): Tree => mixer.initState(2, { ...place, maxLength: T }) as Tree;
  await check('initState', state);
  await check('prefill', () => mixer.prefill(stage.params, x, state()) as Tree);
  await check('a fold of step', () => {
    let s = state();
    for (let t = 0; t < T; t++) {
      const token = at(x, t, 1);
      const [y, next] = mixer.step(stage.params, token, s);
      token.dispose();
      y.dispose();
      s = next as Tree;
    }
    return s;
  });
}

/** A state given to `step` or `prefill` is dead afterwards; a clone of it lives and goes its own way. */
export async function movedState(mixer: Mixer, ctx: LawContext): Promise<void> {
  const law = 'moved state';
  if (!mixer.causal) return;
  const place: Place = { device: ctx.device, dtype: ctx.on.dtypes[0] };
  const stage = causalStageOf(mixer as CausalMixer<unknown, Tree>, place, await livelyParams(mixer, place));
  const C = width(mixer);
  const x = hostRandom(820).normal([2, 6, C]);
  const token = at(stage.tensor(x), 0, 1);
  const block = stage.tensor(cut(x, 0, 2));
  if (treeLeaves(stage.start(2, 8)).length === 0) return;

  type Use = [name: string, use: (state: Tree) => [Tensor, Tree]];
  const uses: Use[] = [
    ['step', (s) => stage.mixer.step(stage.params, token, s)],
    ['prefill', (s) => stage.mixer.prefill(stage.params, block, s)],
  ];
  for (const [first, use] of uses)
    for (const [second, again] of uses) {
      const state = stage.start(2, 8);
      use(state);
      const error = thrown(() => again(state));
      require(ctx, law, error !== undefined, () =>
        `a state given to ${first} must be dead, ${second} took it again. Move the state in (defineMixer does).`);
      require(ctx, law, SeqError.is(error, 'state-moved'), () =>
        `a state given to ${first} and then to ${second} must raise a StateError with code "state-moved", got ${described(error)}.`);
    }

  const [, prompt] = await stage.prefill(cut(x, 0, 3), stage.start(2, 6));
  const fork = cloneState(prompt);
  const other = hostRandom(821).normal([2, 3, C], { std: 3 });
  await stage.fold(other, prompt);
  const [straight] = await stage.fold(x, stage.start(2, 6));
  const [forked] = await stage.fold(cut(x, 3, 6), fork);
  agree(
    ctx,
    law,
    'a fork whose twin went another way, and the run without a fork',
    forked,
    cut(straight, 3, 6),
    { tolerance: ctx.tolerances[place.dtype === 'f64' ? 'f64' : 'f32'], note: 'forked at t=3', from: 3 },
  );
}
