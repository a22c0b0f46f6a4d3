import { SeqError, key } from '@seq/tensor';
import type { Tree } from '@seq/tensor';
import { fromSpec } from '@seq/nn';
import type { Mixer } from '@seq/nn';
import { hostRandom, treeToHost } from '../host.js';
import type { HostTree, Place } from '../host.js';
import { stageOf } from '../stage.js';
import type { LawContext } from '../types.js';
import { agree, described, require, thrown, width } from './report.js';

const law = 'spec';

/** The spec is JSON, and what `fromSpec` builds from it is the same mixer. */
export async function spec(mixer: Mixer, ctx: LawContext): Promise<void> {
  const text = JSON.stringify(mixer.spec);
  const parsed = JSON.parse(text) as typeof mixer.spec;
  require(ctx, law, same(parsed, mixer.spec), () =>
    `the spec must survive JSON, it became ${text}. Hold numbers, strings, booleans, lists and objects only.`);
  const { factory } = ctx;
  if (!factory) return;
  const rebuild = (kind: string): Mixer => fromSpec({ ...parsed, kind }, { [mixer.spec.kind]: factory });
  const twin = rebuild(mixer.spec.kind);
  require(ctx, law, JSON.stringify(twin.spec) === text, () =>
    `the mixer built from a spec must have that spec, it has ${JSON.stringify(twin.spec)} for ${text}. Keep every option in spec.options.`);

  const place: Place = { device: ctx.device, dtype: ctx.on.dtypes[0] };
  const draw = (m: Mixer): Promise<HostTree> =>
    treeToHost(m.init(key(5, { device: ctx.device }), place) as Tree);
  const [mine, its] = [await draw(mixer), await draw(twin)];
  const shapes = (tree: HostTree): string =>
    tree.paths.map((p, i) => `${p} [${tree.leaves[i].shape.join(', ')}]`).join('; ');
  require(ctx, law, shapes(mine) === shapes(its), () =>
    `the mixer built from the spec must have the same parameters, it has ${shapes(its)} for ${shapes(mine)}. Keep every option in spec.options.`);
  const x = hostRandom(1100).normal([2, 7, width(mixer)]);
  const y = await stageOf(mixer, place, mine).forward(x);
  agree(
    ctx,
    law,
    'the mixer built from the spec and this one',
    await stageOf(twin, place, mine).forward(x),
    y,
    { tolerance: 0 },
  );

  const error = thrown(() => rebuild('nobody/nothing'));
  require(ctx, law, SeqError.is(error, 'spec'), () =>
    `a kind that no factory makes must raise a SpecError, got ${described(error)}.`);
}

/** Deep equality of JSON values; anything else is unequal. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b);
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(x);
  return keys.length === Object.keys(y).length && keys.every((k) => same(x[k], y[k]));
}
