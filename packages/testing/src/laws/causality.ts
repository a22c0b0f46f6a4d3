import { slice, valueAndGrad } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { CausalMixer, Mixer } from '@seq/nn';
import { magnitude } from '../compare.js';
import { hostRandom, toHost } from '../host.js';
import type { HostArray } from '../host.js';
import { causalStageOf, cut, livelyParams, stageOf } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, number, require, width } from './report.js';

const law = 'causality';

/** x with position s replaced. */
function changed(x: HostArray, s: number, seed: number): HostArray {
  const [B, T, C] = x.shape as [number, number, number];
  const other = hostRandom(seed).normal([B, C], { std: 3 });
  const data = Float64Array.from(x.data);
  for (let b = 0; b < B; b++)
    for (let c = 0; c < C; c++) data[(b * T + s) * C + c] += 1 + Math.abs(other.data[b * C + c]);
  return { data, shape: x.shape };
}

/**
 * What comes at t changes nothing before t: outputs stay bit-equal (within `tolerances.causality`) and
 * ∂y_s/∂x_t = 0 for s < t. A declared `reach` R is held to as well: x_t changes nothing from t + R on,
 * and in a mixer that is not causal nothing before t − R + 1 either.
 */
export async function causality(mixer: Mixer, ctx: LawContext): Promise<void> {
  const size = ctx.border?.size ?? 4;
  const reach = mixer.reach;
  if (!mixer.causal && reach === undefined) return;
  const T = Math.max(2 * size + 1, (reach ?? 0) + 3, 8);
  const B = 2;
  const tolerance = ctx.tolerances.causality;
  const params = await livelyParams(mixer, ctx);
  const x = hostRandom(300).normal([B, T, width(mixer)]);
  const places = [...new Set([0, 1, size - 1, size, 2 * size - 1, 2 * size, T - 1])].filter((s) => s < T);
  for (const dtype of ctx.on.dtypes) {
    const place = { device: ctx.device, dtype };
    const stage = stageOf(mixer, place, params);
    const y = await stage.forward(x);
    const scale = magnitude(y.data);
    for (const s of places) {
      const other = await stage.forward(changed(x, s, 301 + s));
      const note = `${dtype}, x changed at t=${s}, T=${T}`;
      const before = mixer.causal ? s : Math.max(0, s - reach! + 1);
      agree(ctx, law, 'outputs before the change', cut(other, 0, before), cut(y, 0, before), {
        tolerance,
        note,
        scale,
      });
      if (reach === undefined || s + reach >= T) continue;
      agree(
        ctx,
        law,
        `outputs beyond the declared reach ${reach}`,
        cut(other, s + reach, T),
        cut(y, s + reach, T),
        { tolerance, note, scale, from: s + reach },
      );
    }
    if (!mixer.causal) continue;
    await prefillLooksBackOnly(mixer as CausalMixer<unknown, Tree>, ctx, x, places, dtype);
    for (const s of places.filter((p) => p > 0)) {
      const weight = stage.tensor(hostRandom(320 + s).normal([B, s, width(mixer)]));
      const loss = (input: Tensor): Tensor =>
        slice(mixer.forward(stage.params, input), 1, 0, s).mul(weight).sum();
      const [, gradient] = valueAndGrad(loss, stage.tensor(x));
      const g = await toHost(gradient);
      const future = magnitude(cut(g, s, T).data);
      require(ctx, law, future <= tolerance * magnitude(g.data), () =>
        `the gradient of outputs before t=${s} by inputs from t=${s} on must be zero, it reaches ${number(future)}. [${dtype}, T=${T}]`);
    }
  }
}

/** The same from a state that holds a past. */
async function prefillLooksBackOnly(
  mixer: CausalMixer<unknown, Tree>,
  ctx: LawContext,
  x: HostArray,
  places: readonly number[],
  dtype: LawContext['on']['dtypes'][number],
): Promise<void> {
  const [B, T] = x.shape as [number, number];
  const past = 3;
  const stage = causalStageOf(mixer, { device: ctx.device, dtype }, await livelyParams(mixer, ctx));
  const prompt = hostRandom(340).normal([B, past, width(mixer)]);
  const run = async (input: HostArray): Promise<HostArray> => {
    const [, state] = await stage.prefill(prompt, stage.start(B, past + T));
    return (await stage.prefill(input, state))[0];
  };
  const y = await run(x);
  for (const s of places)
    agree(
      ctx,
      law,
      'outputs of a second prefill before the change',
      cut(await run(changed(x, s, 301 + s)), 0, s),
      cut(y, 0, s),
      {
        tolerance: ctx.tolerances.causality,
        note: `${dtype}, x changed at t=${s}, T=${T}, after ${past} positions`,
        scale: magnitude(y.data),
      },
    );
}
