import { treeEntries } from '@seq/tensor';
import type { Tree } from '@seq/tensor';
import { cloneState } from '@seq/nn';
import type { Mixer } from '@seq/nn';
import { hostRandom } from '../host.js';
import type { HostArray } from '../host.js';
import { causalStageOf, cut, livelyParams, stageOf } from '../stage.js';
import type { CausalStage } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, formTolerance, require, width } from './report.js';

const law = 'agreement';

/** Paths, shapes and dtypes of a state. */
function form(state: Tree): string {
  return treeEntries(state)
    .map(([path, leaf]) => `${path} ${leaf.dtype} [${leaf.shape.join(', ')}]`)
    .join('; ');
}

/** A compiled step with a donated state does what step does, and one plan serves every token. */
async function onePlan(stage: CausalStage, ctx: LawContext, x: HostArray): Promise<void> {
  const note = `${stage.place.dtype}, compiled`;
  const T = x.shape[1];
  const { y, plans } = await stage.foldCompiled(x, stage.start(x.shape[0], T));
  const tolerance = formTolerance(ctx, stage.place.dtype);
  agree(ctx, law, 'the fold of a compiled step and forward', y, await stage.forward(x), { tolerance, note });
  require(ctx, law, plans === 0, () =>
    `one plan of step must serve every token, ${plans} more were made for ${T - 1} tokens after the first. Keep what changes from token to token in tensors of the state.`);
}

/**
 * forward(x) = fold of step over x = prefill(x), and the states of both go on alike; for any T ≥ 0.
 *
 * States are compared by what follows from them, so each form may keep its own books; their leaves must
 * keep path, shape and dtype, so that one plan serves every token.
 */
export async function agreement(mixer: Mixer, ctx: LawContext): Promise<void> {
  const C = width(mixer);
  const B = 2;
  const tail = 3;
  const params = await livelyParams(mixer, ctx);
  for (const dtype of ctx.on.dtypes) {
    const place = { device: ctx.device, dtype };
    const tolerance = formTolerance(ctx, dtype);
    for (const T of ctx.lengths) {
      const x = hostRandom(100 + T).normal([B, T + tail, C]);
      const head = cut(x, 0, T);
      const note = `${dtype}, B=${B}, T=${T}`;
      if (!mixer.causal) {
        const y = await stageOf(mixer, place, params).forward(head);
        require(ctx, law, y.shape.join() === head.shape.join(), () =>
          `forward must keep the shape [${head.shape.join(', ')}], it gave [${y.shape.join(', ')}]. [${note}]`);
        continue;
      }
      const stage = causalStageOf(mixer, place, params);
      const whole = await stage.forward(x);
      const y = await stage.forward(head);
      agree(ctx, law, 'forward of the whole and of its beginning', y, cut(whole, 0, T), { tolerance, note });

      const initial = stage.start(B, T + tail);
      const shape = form(initial);
      const [folded, afterFold] = await stage.fold(head, initial);
      if (T > 0) agree(ctx, law, 'the fold of step and forward', folded, y, { tolerance, note });
      const [filled, afterPrefill] = await stage.prefill(head, stage.start(B, T + tail));
      agree(ctx, law, 'prefill and forward', filled, y, { tolerance, note });
      for (const [name, state] of [
        ['step', afterFold],
        ['prefill', afterPrefill],
      ] as const)
        require(ctx, law, form(state) === shape, () =>
          `${name} must keep the form of the state, it made {${form(state)}} of {${shape}}. One plan serves every token only then. [${note}]`);

      const rest = cut(x, T, T + tail);
      const want = cut(whole, T, T + tail);
      const o = { tolerance, from: T, note };
      const fork = cloneState(afterPrefill);
      agree(ctx, law, 'steps after prefill, and forward', (await stage.fold(rest, afterPrefill))[0], want, o);
      agree(ctx, law, 'prefill after prefill, and forward', (await stage.prefill(rest, fork))[0], want, o);
      agree(ctx, law, 'prefill after steps, and forward', (await stage.prefill(rest, afterFold))[0], want, o);
    }
    if (mixer.causal)
      await onePlan(causalStageOf(mixer, place, params), ctx, hostRandom(99).normal([B, 7, C]));
  }
}
