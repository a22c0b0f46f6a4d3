import { cpu } from '@seq/tensor';
import type { Tree } from '@seq/tensor';
import type { CausalMixer, Mixer } from '@seq/nn';
import { gradientsOn, mixerLoss } from '../differentiable.js';
import { hostRandom } from '../host.js';
import type { Place } from '../host.js';
import { causalStageOf, cut, livelyParams, stageOf } from '../stage.js';
import type { LawContext } from '../types.js';
import { checkEqual } from './gradient.js';
import { agree, require, width } from './report.js';

const law = 'device';

/**
 * A device gives what the CPU gives: forward, prefill with steps, and gradients in f32.
 *
 * On the way the CPU runs no kernel and nothing is read back but the results. On the CPU itself the law
 * compares two devices of that kind.
 */
export async function device(mixer: Mixer, ctx: LawContext): Promise<void> {
  const oracle: Place = { device: cpu(), dtype: 'f32' };
  const own = ctx.device === oracle.device ? ((await ctx.on.fresh()) ?? ctx.device) : ctx.device;
  const place: Place = { device: own, dtype: 'f32' };
  const T = 2 * (ctx.border?.size ?? 3) + 1;
  const params = await livelyParams(mixer, oracle);
  const x = hostRandom(1300).normal([2, T, width(mixer)]);
  const tolerance = ctx.tolerances.f32;

  const want = await stageOf(mixer, oracle, params).forward(x);
  const stage = stageOf(mixer, place, params);
  const input = stage.tensor(x);
  const cpuKernels = oracle.device.counters.kernels;
  const reads = own.counters.reads;
  const y = mixer.forward(stage.params, input);
  await y.realize();
  require(ctx, law, oracle.device.counters.kernels === cpuKernels, () =>
    `forward on ${own.name} must run there alone, ${oracle.device.counters.kernels - cpuKernels} kernels ran on the CPU.`);
  require(ctx, law, own.counters.reads === reads, () =>
    `forward on ${own.name} must read nothing back, it read ${own.counters.reads - reads} times.`);
  agree(ctx, law, `forward on ${own.name} and on the CPU`, await stage.forward(x), want, { tolerance });

  if (mixer.causal) {
    const run = async (on: Place): Promise<typeof want> => {
      const s = causalStageOf(mixer as CausalMixer<unknown, Tree>, on, params);
      const [, state] = await s.prefill(cut(x, 0, T - 2), s.start(2, T));
      return (await s.fold(cut(x, T - 2, T), state))[0];
    };
    agree(
      ctx,
      law,
      `steps after prefill on ${own.name} and on the CPU`,
      await run(place),
      await run(oracle),
      { tolerance, from: T - 2 },
    );
  }
  const target = await mixerLoss(mixer, mixer.causal ? 'prefill' : 'forward', oracle, T);
  const [, exact] = await gradientsOn(target, oracle);
  const [, got] = await gradientsOn(target, place);
  checkEqual(
    ctx,
    law,
    `the gradients on ${own.name} and on the CPU`,
    target.names,
    got,
    exact,
    ctx.tolerances.gradientF32,
  );
}
