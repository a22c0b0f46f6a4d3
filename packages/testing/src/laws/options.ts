import { SeqError } from '@seq/tensor';
import type { Tree } from '@seq/tensor';
import type { CausalMixer, Mixer, RunOptions } from '@seq/nn';
import { hostRandom, toTensor } from '../host.js';
import type { HostArray, Place } from '../host.js';
import { causalStageOf, cut, livelyParams, row, stageOf } from '../stage.js';
import type { CausalStage } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, formTolerance, require, width } from './report.js';

const law = 'options';

/** Runs with an option; null when the mixer refuses it by an OptionError, which no declared option may. */
async function unlessRefused<T>(
  mixer: Mixer,
  ctx: LawContext,
  name: keyof RunOptions,
  run: () => Promise<T>,
): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    if (!SeqError.is(error, 'option')) throw error;
    require(ctx, law, !mixer.honours?.includes(name), () =>
      `${name} is declared in honours and refused: ${error.message}`);
    return null;
  }
}

/** `lengths` and `resets` mean what they say, or are refused by an OptionError: never ignored. */
export async function options(mixer: Mixer, ctx: LawContext): Promise<void> {
  const size = ctx.border?.size ?? 4;
  const T = 2 * size + 2;
  const B = 3;
  const tail = 2;
  const params = await livelyParams(mixer, ctx);
  const x = hostRandom(1200).normal([B, T + tail, width(mixer)]);
  for (const dtype of ctx.on.dtypes) {
    const place: Place = { device: ctx.device, dtype };
    await paddingIsUnseen(mixer, ctx, place, cut(x, 0, T));
    if (!mixer.causal) continue;
    const stage = causalStageOf(mixer as CausalMixer<unknown, Tree>, place, params);
    await lengthsKeepStates(stage, ctx, x, T, tail);
    await resetsSeparate(stage, ctx, x, T, tail);
  }
}

/** Rows of fewer positions: what lies beyond a length is not seen, gives 0, and the rest is as if cut off. */
async function paddingIsUnseen(mixer: Mixer, ctx: LawContext, place: Place, x: HostArray): Promise<void> {
  const [B, T] = x.shape as [number, number];
  const lengths = [T, 1, T - 2];
  const stage = stageOf(mixer, place, await livelyParams(mixer, ctx));
  const o: RunOptions = {
    lengths: toTensor({ data: Float64Array.from(lengths), shape: [B], dtype: 'i32' }, place),
  };
  const y = await unlessRefused(mixer, ctx, 'lengths', () => stage.forward(x, o));
  if (!y) return;
  const tolerance = formTolerance(ctx, place.dtype);
  for (const [b, n] of lengths.entries()) {
    const note = `${place.dtype}, lengths=${lengths.join(', ')}, T=${T}`;
    const alone = await stage.forward(cut(row(x, b), 0, n));
    agree(
      ctx,
      law,
      `row ${b} with a length of ${n} and the same row cut there`,
      cut(row(y, b), 0, n),
      alone,
      { tolerance, note },
    );
    const beyond = cut(row(y, b), n, T);
    agree(
      ctx,
      law,
      `row ${b} beyond its length and zero`,
      beyond,
      { ...beyond, data: beyond.data.map(() => 0) },
      { tolerance: 0, from: n, note },
    );
  }
}

/** The state after a padded prefill is the one after the positions that count; zero of them change nothing. */
async function lengthsKeepStates(
  stage: CausalStage,
  ctx: LawContext,
  x: HostArray,
  T: number,
  tail: number,
): Promise<void> {
  const { mixer, place } = stage;
  const B = x.shape[0];
  const lengths = [T, 0, T - 2];
  const o: RunOptions = {
    lengths: toTensor({ data: Float64Array.from(lengths), shape: [B], dtype: 'i32' }, place),
  };
  const padded = await unlessRefused(mixer, ctx, 'lengths', () =>
    stage.prefill(cut(x, 0, T), stage.start(B, T + tail), o),
  );
  if (!padded) return;
  const rest = cut(x, T, T + tail);
  const tolerance = formTolerance(ctx, place.dtype);
  const counts = (t: number): RunOptions => ({
    lengths: toTensor(
      { data: Float64Array.from(lengths, (n) => (t < n ? 1 : 0)), shape: [B], dtype: 'i32' },
      place,
    ),
  });
  const [stepped, end] = await stage.fold(cut(x, 0, T), stage.start(B, T + tail), counts);
  const [after] = await stage.fold(rest, padded[1]);
  const names = `${place.dtype}, lengths=${lengths.join(', ')}`;
  agree(ctx, law, 'steps with lengths of 0 or 1 and prefill with lengths', stepped, padded[0], {
    tolerance,
    note: names,
  });
  agree(ctx, law, 'what follows steps and a prefill with lengths', (await stage.fold(rest, end))[0], after, {
    tolerance,
    from: T,
    note: names,
  });
  for (const [b, n] of lengths.entries()) {
    const [, state] = await stage.prefill(cut(row(x, b), 0, n), stage.start(1, n + tail));
    const [want] = await stage.fold(row(rest, b), state);
    agree(
      ctx,
      law,
      `row ${b} going on from a prefill with a length of ${n}, and from those positions alone`,
      row(after, b),
      want,
      { tolerance, from: n, note: names },
    );
  }
}

/** A reset before t makes what follows independent of what came before; each row has its own. */
async function resetsSeparate(
  stage: CausalStage,
  ctx: LawContext,
  x: HostArray,
  T: number,
  tail: number,
): Promise<void> {
  const { mixer, place } = stage;
  const B = x.shape[0];
  const starts = [[], [2, T - 1], [0, Math.floor(T / 2)]];
  const data = new Float64Array(B * T);
  for (const [b, list] of starts.entries()) for (const t of list) data[b * T + t] = 1;
  const o: RunOptions = { resets: toTensor({ data, shape: [B, T], dtype: 'bool' }, place) };
  const tolerance = formTolerance(ctx, place.dtype);
  const prompt = hostRandom(1210).normal([B, 2, width(mixer)]);
  const warm = async (): Promise<Tree> => (await stage.prefill(prompt, stage.start(B, 2 + T + tail)))[1];
  const result = await unlessRefused(mixer, ctx, 'resets', async () =>
    stage.prefill(cut(x, 0, T), await warm(), o),
  );
  if (!result) return;
  const [packed, state] = result;
  const [after] = await stage.fold(cut(x, T, T + tail), state);
  const now = (t: number): RunOptions => ({
    resets: toTensor(
      { data: Float64Array.from({ length: B }, (_, b) => data[b * T + t]), shape: [B], dtype: 'bool' },
      place,
    ),
  });
  const [stepped] = await stage.fold(cut(x, 0, T), await warm(), now);
  agree(ctx, law, 'steps with resets and prefill with resets', stepped, packed, {
    tolerance,
    note: place.dtype,
  });
  const [fresh] = await stage.prefill(cut(x, 0, T), stage.start(B, T), o);
  agree(
    ctx,
    law,
    'forward with resets and prefill with resets',
    await stage.forward(cut(x, 0, T), o),
    fresh,
    {
      tolerance,
      note: place.dtype,
    },
  );
  for (const [b, list] of starts.entries()) {
    const note = `${place.dtype}, row ${b}, resets at t=${list.join(', ') || 'none'}`;
    const borders = [...new Set([0, ...list]), T];
    for (let i = 0; i + 1 < borders.length; i++) {
      const [from, to] = [borders[i], borders[i + 1]];
      const last = to === T;
      const document = cut(row(x, b), from, last ? T + tail : to);
      const length = document.shape[1];
      let before = stage.start(1, 2 + length);
      if (!list.includes(from)) [, before] = await stage.prefill(row(prompt, b), before);
      const [want] = await stage.prefill(document, before);
      agree(
        ctx,
        law,
        'a document among others and alone',
        cut(row(packed, b), from, to),
        cut(want, 0, to - from),
        { tolerance, from, note },
      );
      if (last)
        agree(
          ctx,
          law,
          'what follows a packed prefill and the last document alone',
          row(after, b),
          cut(want, to - from, length),
          { tolerance, from: T, note },
        );
    }
  }
}
