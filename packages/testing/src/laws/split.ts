import type { Tree } from '@seq/tensor';
import type { CausalMixer, Mixer } from '@seq/nn';
import { hostRandom } from '../host.js';
import { causalStageOf, cut, join, livelyParams } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, formTolerance, width } from './report.js';

const law = 'split';

/** Lengths of pieces to cut T positions into: every cut in two, and long runs of short pieces. */
function divisions(T: number, size: number, next: () => number): number[][] {
  const cuts = new Set([0, 1, 2, T - 2, T - 1, T]);
  for (let border = size; border <= T; border += size)
    for (const k of [border - 1, border, border + 1]) if (k <= T) cuts.add(k);
  if (T <= 16) for (let k = 0; k <= T; k++) cuts.add(k);
  while (cuts.size < Math.min(8, T + 1)) cuts.add(Math.floor(next() * (T + 1)));
  const pieces = [...cuts].sort((a, b) => a - b).map((k) => [k, T - k]);
  const repeat = (n: number): number[] => {
    const list = Array.from({ length: Math.floor(T / n) }, () => n);
    return T % n ? [...list, T % n] : list;
  };
  const runs = [1, 2, size - 1, size, size + 1].filter((n) => n > 0 && n < T && T / n <= 40);
  return [...pieces, ...new Set(runs)].map((p) => (typeof p === 'number' ? repeat(p) : p));
}

/**
 * prefill(x) = prefill of any pieces of x, one after the other, and the final states go on alike.
 *
 * T always lies beyond two borders of the mechanism.
 */
export async function split(mixer: Mixer, ctx: LawContext): Promise<void> {
  if (!mixer.causal) return;
  const causal = mixer as CausalMixer<unknown, Tree>;
  const size = ctx.border?.size ?? 4;
  const T = 2 * size + Math.min(size, 3);
  const B = 2;
  const tail = 2;
  const params = await livelyParams(mixer, ctx);
  const random = hostRandom(200);
  const x = random.normal([B, T + tail, width(mixer)]);
  for (const dtype of ctx.on.dtypes) {
    const stage = causalStageOf(causal, { device: ctx.device, dtype }, params);
    const tolerance = formTolerance(ctx, dtype);
    const [whole, end] = await stage.prefill(cut(x, 0, T), stage.start(B, T + tail));
    const [wholeTail] = await stage.fold(cut(x, T, T + tail), end);
    for (const lengths of divisions(T, size, random.next)) {
      let state = stage.start(B, T + tail);
      const outputs = [];
      let from = 0;
      for (const n of lengths) {
        const [y, next] = await stage.prefill(cut(x, from, from + n), state);
        outputs.push(y);
        state = next;
        from += n;
      }
      const pieces = lengths.length > 4 ? `pieces of ${lengths[0]}` : lengths.join(' + ');
      const note = `${dtype}, B=${B}, T=${T} cut into ${pieces}`;
      agree(ctx, law, 'prefill of pieces and prefill of the whole', join(outputs), whole, {
        tolerance,
        note,
      });
      const [after] = await stage.fold(cut(x, T, T + tail), state);
      agree(ctx, law, 'what follows from the state of pieces and of the whole', after, wholeTail, {
        tolerance,
        from: T,
        note,
      });
    }
  }
}
