import { countParams, paramNames } from '@seq/nn';
import type { Mixer } from '@seq/nn';
import { isFloat, key, treeEntries, valueAndGrad } from '@seq/tensor';
import type { Device, DType, Tree } from '@seq/tensor';
import { hostRandom, toTensor, treeToHost } from '../host.js';
import type { HostTree, Place } from '../host.js';
import type { LawContext } from '../types.js';
import { agree, broken, number, require, width } from './report.js';

const law = 'init';

/**
 * The same key gives the same parameters and another key others; their count is `cost.params`; paths in
 * `noDecay` exist; output and gradient are finite over T = 2048 positions, and for inputs of zero and of 1000.
 */
export async function init(mixer: Mixer, ctx: LawContext): Promise<void> {
  const place: Place = { device: ctx.device, dtype: 'f32' };
  const draw = (seed: number): Promise<HostTree> =>
    treeToHost(mixer.init(key(seed, { device: ctx.device }), place) as Tree);
  const [one, again, other] = [await draw(1), await draw(1), await draw(2)];
  require(ctx, law, one.paths.join() === again.paths.join(), () =>
    `the same key must give the same names, got ${one.paths.join(', ')} and ${again.paths.join(', ')}.`);
  for (const [i, path] of one.paths.entries())
    agree(ctx, law, `${path} drawn twice from one key`, again.leaves[i], one.leaves[i], { tolerance: 0 });
  const same = one.leaves.every((leaf, i) => leaf.data.every((v, j) => v === other.leaves[i].data[j]));
  const count = one.leaves.reduce((n, leaf) => n + leaf.data.length, 0);
  require(ctx, law, count === 0 || !same, () =>
    'two keys must give different parameters, they give the same.');

  for (const dtype of [...ctx.on.dtypes, undefined]) inPlace(mixer, ctx, ctx.device, dtype);

  const params = mixer.init(key(1, { device: ctx.device }), place) as Tree;
  const declared = mixer.cost({ B: 1, T: 1, form: 'forward' }).params;
  const counted = countParams(params);
  require(ctx, law, counted === count, () => `countParams must count ${count} numbers, got ${counted}.`);
  require(ctx, law, declared === count, () =>
    `cost.params must be the ${count} numbers of ${paramNames(params).join(', ')}, it is ${declared}.`);
  for (const pattern of mixer.noDecay ?? [])
    require(ctx, law, one.paths.some((path) => begins(path, pattern)), () =>
      `noDecay must name parameters, got ${pattern} beside ${one.paths.join(', ')}.`);

  const C = width(mixer);
  const long = hostRandom(900).normal([1, 2048, C]);
  const short = hostRandom(901).normal([1, 32, C]);
  await finite(mixer, ctx, params, 'over T=2048', long, place);
  await finite(mixer, ctx, params, 'where x is zero', { ...short, data: short.data.map(() => 0) }, place);
  await finite(
    mixer,
    ctx,
    params,
    'where x reaches 1000',
    { ...short, data: short.data.map((v) => 1000 * v) },
    place,
  );
}

/** Parameters and states are made where and in what precision they are asked for: with the key, and f32, where nobody asks. */
function inPlace(mixer: Mixer, ctx: LawContext, device: Device, dtype: DType | undefined): void {
  const made: [string, Tree][] = [
    ['init', mixer.init(key(1, { device }), { device, dtype })],
    ['init without a device', mixer.init(key(1, { device }), { dtype })],
  ];
  if (mixer.causal) made.push(['initState', mixer.initState(1, { device, dtype, maxLength: 4 })]);
  for (const [name, tree] of made)
    for (const [path, leaf] of treeEntries(tree))
      require(ctx, law, leaf.device === device &&
        (!isFloat(leaf.dtype) || leaf.dtype === (dtype ?? 'f32')), () =>
        `${name} must make ${path} on ${device.name} in ${dtype ?? 'f32, which dtype: undefined means'}, it made it on ${leaf.device.name} in ${leaf.dtype}. Pass device and dtype on.`);
}

/** True for a path that begins like the pattern, in which `*` stands for any one name. */
function begins(path: string, pattern: string): boolean {
  const names = path.split('.');
  return pattern.split('.').every((name, i) => (name === '*' ? i < names.length : name === names[i]));
}

async function finite(
  mixer: Mixer,
  ctx: LawContext,
  params: Tree,
  where: string,
  host: Parameters<typeof toTensor>[0],
  place: Place,
): Promise<void> {
  const x = toTensor(host, place);
  const [value, gradients] = valueAndGrad(
    (p: { params: Tree; x: typeof x }) => mixer.forward(p.params, p.x).mean(),
    { params, x },
  );
  const total = await value.item();
  if (!Number.isFinite(total))
    broken(ctx, law, `the output must be finite ${where}, its mean is ${number(total)}.`);
  for (const [path, leaf] of treeEntries(gradients))
    for (const v of await leaf.data())
      if (!Number.isFinite(v))
        broken(ctx, law, `gradients must be finite ${where}, that by ${path} holds ${v}.`);
}
