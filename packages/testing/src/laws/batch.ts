import type { Tree } from '@seq/tensor';
import type { CausalMixer, Mixer } from '@seq/nn';
import { hostRandom } from '../host.js';
import type { HostArray } from '../host.js';
import { causalStageOf, cut, livelyParams, row, stageOf } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, formTolerance, width } from './report.js';

const law = 'batch';

/** A row's result is the same alone and among other rows, in every form, and bit-equal whatever those are. */
export async function batch(mixer: Mixer, ctx: LawContext): Promise<void> {
  const size = ctx.border?.size ?? 4;
  const T = size + 2;
  const B = 3;
  const params = await livelyParams(mixer, ctx);
  const x = hostRandom(400).normal([B, T, width(mixer)]);
  const others = hostRandom(401).normal([B, T, width(mixer)], { std: 5 });
  const perRow = x.data.length / B;
  others.data.set(x.data.subarray(perRow, 2 * perRow), perRow); // row 1 stays
  for (const dtype of ctx.on.dtypes) {
    const place = { device: ctx.device, dtype };
    const tolerance = formTolerance(ctx, dtype);
    const forms: [string, (input: HostArray) => Promise<HostArray>][] = [
      ['forward', (input) => stageOf(mixer, place, params).forward(input)],
    ];
    if (mixer.causal) {
      const stage = causalStageOf(mixer as CausalMixer<unknown, Tree>, place, params);
      forms.push([
        'steps after prefill',
        async (input) => {
          const [, state] = await stage.prefill(cut(input, 0, T - 2), stage.start(input.shape[0], T));
          return (await stage.fold(cut(input, T - 2, T), state))[0];
        },
      ]);
    }
    for (const [name, run] of forms) {
      const y = await run(x);
      for (let b = 0; b < B; b++)
        agree(ctx, law, `${name} of row ${b} among others and alone`, row(y, b), await run(row(x, b)), {
          tolerance,
          note: `${dtype}, B=${B}, T=${T}`,
        });
      agree(
        ctx,
        law,
        `${name} of row 1 among two different sets of other rows`,
        row(await run(others), 1),
        row(y, 1),
        { tolerance: 0, note: `${dtype}, B=${B}, T=${T}` },
      );
    }
  }
}
