import { explain, key, valueAndGrad } from '@seq/tensor';
import type { Plan, Tensor, Tree } from '@seq/tensor';
import type { CostAt, Mixer } from '@seq/nn';
import { floatLeaves, hostRandom, toTensor } from '../host.js';
import type { Place } from '../host.js';
import type { LawContext } from '../types.js';
import { require, width } from './report.js';

/** The plan of one form. */
function planOf(mixer: Mixer, { form, B, T, past = 0 }: CostAt, place: Place): Plan {
  const params = mixer.init(key(3, { device: place.device }), place) as Tree;
  const C = width(mixer);
  const x = toTensor(hostRandom(1000).normal(form === 'step' ? [B, C] : [B, T, C]), place);
  if (!mixer.causal || form === 'forward')
    return explain((p: Tree, input: Tensor) => mixer.forward(p, input), params, x);
  const state = mixer.initState(B, { ...place, maxLength: past + T }) as Tree;
  const run = form === 'step' ? mixer.step : mixer.prefill;
  return explain((p: Tree, input: Tensor, s: Tree) => run(p, input, s) as Tree, params, x, state);
}

/**
 * The closed formula of `cost` against what plans count: matmul FLOPs exactly, the rest on the CPU within 10 %, and
 * `stateFloats` = the floats of a state that holds `past + T` positions.
 */
export async function cost(mixer: Mixer, ctx: LawContext): Promise<void> {
  const law = 'cost';
  const place: Place = { device: ctx.device, dtype: 'f32' };
  const size = ctx.border?.size ?? 4;
  const T = 2 * size + 3;
  const cases: CostAt[] = [
    { B: 1, T: 1, form: 'forward' },
    { B: 2, T, form: 'forward' },
    { B: 3, T: 2 * T, form: 'forward' },
  ];
  if (mixer.causal)
    cases.push(
      { B: 2, T, form: 'prefill', past: 0 },
      { B: 1, T: 3, form: 'prefill', past: 5 },
      { B: 2, T: 1, form: 'step', past: 0 },
      { B: 3, T: 1, form: 'step', past: T },
    );
  for (const at of cases) {
    const declared = mixer.cost(at);
    const plan = planOf(mixer, at, place);
    const where = `${at.form} at B=${at.B}, T=${at.T}${at.past === undefined ? '' : `, past=${at.past}`}`;
    require(ctx, law, declared.matmulFlops === plan.matmulFlops, () =>
      `matmulFlops of ${where} must be those of the plan, ${plan.matmulFlops}, it is ${declared.matmulFlops}.`);
    const rest = declared.flops - declared.matmulFlops;
    const counted = plan.flops - plan.matmulFlops;
    // A device without a kernel for an op runs its composite, which does more: the CPU has a kernel for every op.
    require(ctx, law, ctx.on.kind !== 'cpu' || Math.abs(rest - counted) <= 0.1 * counted, () =>
      `flops beside matmul of ${where} must be within 10 % of the plan's ${counted}, they are ${rest}.\n${plan.toString()}`);
    if (!mixer.causal || at.form === 'forward') continue;
    const state = mixer.initState(at.B, { ...place, maxLength: (at.past ?? 0) + at.T }) as Tree;
    const floats = floatLeaves(state).reduce((n, leaf) => n + leaf.size, 0);
    require(ctx, law, declared.stateFloats === floats, () =>
      `stateFloats of ${where} must be the ${floats} floats of initState(${at.B}), it is ${declared.stateFloats}.`);
  }
}

/**
 * A train form is no disguised loop: forward and gradient run as many kernels at T = 512 as at T = 128, unless
 * the mixer declares `serial`.
 */
export async function form(mixer: Mixer, ctx: LawContext): Promise<void> {
  const law = 'form';
  const place: Place = { device: ctx.device, dtype: 'f32' };
  const params = mixer.init(key(3, { device: ctx.device }), place) as Tree;
  const count = (T: number): [forward: number, training: number] => {
    const x = toTensor(hostRandom(1010).normal([1, T, width(mixer)]), place);
    const forward = explain((p: Tree, input: Tensor) => mixer.forward(p, input), params, x);
    const training = explain(
      (p: Tree, input: Tensor) =>
        valueAndGrad((q: { p: Tree; input: Tensor }) => mixer.forward(q.p, q.input).sum(), {
          p,
          input,
        }) as Tree,
      params,
      x,
    );
    return [forward.runs, training.runs];
  };
  if (mixer.serial) return;
  const [short, long] = [count(128), count(512)];
  for (const [i, what] of ['forward', 'forward with its gradient'].entries())
    require(ctx, law, short[i] === long[i], () =>
      `${what} must run as many kernels at T=512 as at T=128, it runs ${long[i]} and ${short[i]}. Find the parallel form, or declare serial: true.`);
}
