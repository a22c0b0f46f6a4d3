import { cpu } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Mixer } from '@seq/nn';
import { slopes } from '../differences.js';
import type { HostFunction } from '../differences.js';
import { gradientsOn, mixerLoss, valueOn, weigh } from '../differentiable.js';
import type { Differentiable, Gradients } from '../differentiable.js';
import { magnitude } from '../compare.js';
import { hostRandom, isFloatArray, toTensor } from '../host.js';
import type { Place } from '../host.js';
import type { LawContext } from '../types.js';
import { coreInputs, namedArrays, namedTensors } from './definition.js';
import { agree, number, require } from './report.js';

const law = 'gradient';

/** Gradients against slopes of a function of the same inputs. */
async function checkSlopes(
  ctx: LawContext,
  what: string,
  { names, inputs }: Differentiable,
  f: HostFunction,
  value: number,
  gradients: Gradients,
): Promise<void> {
  const tolerance = ctx.tolerances.gradient;
  // Differences see nothing below the rounding of the value.
  const floor = 1e-4 * Math.max(1, Math.abs(value));
  for (const { input, element, measured, claimed } of await slopes(f, inputs, gradients)) {
    const size = Math.max(Math.abs(measured), Math.abs(claimed), floor);
    const where = element < 0 ? 'along a random direction' : `at element ${element}`;
    require(ctx, law, Math.abs(measured - claimed) <= tolerance * size, () =>
      `the gradient of ${what} by ${names[input]} ${where} is ${number(claimed)}, central differences give ${number(measured)} (tolerance ${tolerance} relative).`);
  }
}

/** Two lists of gradients of one function. */
export function checkEqual(
  ctx: LawContext,
  law: string,
  what: string,
  names: readonly string[],
  got: Gradients,
  want: Gradients,
  tolerance: number,
): void {
  // A gradient that is zero in exact arithmetic is measured by the others.
  const scale = 1e-2 * Math.max(...want.map((g) => (g ? magnitude(g.data) : 0)));
  for (const [i, g] of got.entries())
    if (g) agree(ctx, law, `${what} by ${names[i]}`, g, want[i]!, { tolerance, scale });
}

/**
 * On the CPU in f64: the gradient of every form by parameters, input and initial state, through outputs and
 * final state = central differences; an op's own vjp = that of its reference; f32 gradients = those in f64.
 */
export async function gradient(mixer: Mixer, ctx: LawContext): Promise<void> {
  const size = ctx.border?.size ?? 3;
  const T = size <= 8 ? 2 * size + 1 : size + 2;
  const form = mixer.causal ? 'prefill' : 'forward';
  if (ctx.on.dtypes.includes('f64')) {
    const place: Place = { device: ctx.device, dtype: 'f64' };
    const target = await mixerLoss(mixer, form, place, T);
    const [value, claimed] = await gradientsOn(target, place);
    await checkSlopes(ctx, form, target, (moved) => valueOn(target, place, moved), value, claimed);
    await checkReferences(ctx, place, 'of the mixer', target, claimed);
    if (mixer.causal) {
      const [, stepped] = await gradientsOn(await mixerLoss(mixer, 'step', place, T), place);
      checkEqual(
        ctx,
        law,
        'the gradients of the fold of step and of prefill',
        target.names,
        stepped,
        claimed,
        ctx.tolerances.gradient,
      );
      await checkForward(mixer, ctx, place, T);
    }
    if (ctx.core) await checkCore(ctx, place, T);
  }
  await checkSinglePrecision(mixer, ctx, T);
}

/** forward may be code of its own: its gradients must be those of prefill from the initial state. */
async function checkForward(
  mixer: Extract<Mixer, { causal: true }>,
  ctx: LawContext,
  place: Place,
  T: number,
): Promise<void> {
  const through: Mixer = {
    ...mixer,
    forward: (p: unknown, x: Tensor) =>
      mixer.prefill(p, x, mixer.initState(x.shape[0], { ...place, maxLength: T }))[0],
  };
  const target = await mixerLoss(mixer, 'forward', place, T);
  const [, got] = await gradientsOn(target, place);
  const [, want] = await gradientsOn(await mixerLoss(through, 'forward', place, T), place);
  checkEqual(
    ctx,
    law,
    'the gradients of forward and of prefill',
    target.names,
    got,
    want,
    ctx.tolerances.gradient,
  );
}

/** The same gradients on a device where ops run as their references. */
async function checkReferences(
  ctx: LawContext,
  place: Place,
  whose: string,
  target: Differentiable,
  claimed: Gradients,
): Promise<void> {
  const device = await ctx.on.fresh({ references: true });
  if (!device) return;
  const [, want] = await gradientsOn(target, { ...place, device });
  checkEqual(
    ctx,
    law,
    `the gradients ${whose} by the rules of its ops and by their references`,
    target.names,
    claimed,
    want,
    10 * ctx.tolerances.f64,
  );
}

/** The op's own vjp against differences of the definition. */
async function checkCore(ctx: LawContext, place: Place, T: number): Promise<void> {
  const core = ctx.core!;
  const named = coreInputs(core, 2, T);
  const names = Object.keys(named);
  const pack = <V>(values: readonly V[]): Record<string, V> =>
    Object.fromEntries(values.map((v, i) => [names[i], v]));
  const inputs = Object.values(named);
  const outputs = Object.keys(namedTensors(core.op(pack(inputs.map((x) => toTensor(x, place))))));
  const target: Differentiable = {
    names,
    inputs,
    loss: (tensors) => {
      const got = namedTensors(core.op(pack(tensors)));
      return outputs.map((name, i) => weigh(got[name], 750 + i)).reduce((a, b) => a.add(b));
    },
  };
  const f: HostFunction = (moved) => {
    const got = namedArrays(core.naive(pack(moved)));
    let sum = 0;
    for (const [i, name] of outputs.entries()) {
      const weights = hostRandom(750 + i).normal([got[name].length]).data;
      got[name].forEach((v, j) => (sum += v * weights[j]));
    }
    return sum;
  };
  const [value, claimed] = await gradientsOn(target, place);
  await checkSlopes(ctx, 'the op (against its definition)', target, f, value, claimed);
  await checkReferences(ctx, place, 'of the op', target, claimed);
}

/** f32 gradients of the device against those in f64 on the CPU, from the same numbers. */
async function checkSinglePrecision(mixer: Mixer, ctx: LawContext, T: number): Promise<void> {
  const exact: Place = { device: cpu(), dtype: 'f64' };
  const drawn = await mixerLoss(mixer, mixer.causal ? 'prefill' : 'forward', exact, T);
  const target: Differentiable = {
    ...drawn,
    inputs: drawn.inputs.map((x) => (isFloatArray(x) ? { ...x, data: x.data.map(Math.fround) } : x)),
  };
  const [value, want] = await gradientsOn(target, exact);
  const [single, got] = await gradientsOn(target, { device: ctx.device, dtype: 'f32' });
  const tolerance = ctx.tolerances.gradientF32;
  require(ctx, law, Math.abs(single - value) <= tolerance * Math.max(1, Math.abs(value)), () =>
    `the loss in f32 is ${number(single)}, in f64 ${number(value)} (tolerance ${tolerance} relative).`);
  checkEqual(ctx, law, 'the f32 and the f64 gradients', target.names, got, want, tolerance);
}
