// Flash attention's kernels on WebGPU against its composite in f64, forward and gradient, at every option.
import type { Device } from '@seq/tensor';
import { requestWebGPU } from '@seq/webgpu-kernels';
import type { WebGPUOptions } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';
import { cases, Problem } from '../../../packages/flash/src/flash-attention/testkit.js';
import type { Case } from '../../../packages/flash/src/flash-attention/testkit.js';
import { agrees } from './flash-agrees.js';

/** Cases enough for what each device adds; SEQ_SLOW runs all on all. */
const atTheFloor = [
  'causal over blocks',
  'one query',
  'no keys',
  'a window both ways',
  'a bias per query',
  'a mask that hides rows',
  'dropout',
  'odd sizes',
];

const devices: [string, WebGPUOptions, string[]?][] = [
  ['the adapter as it is', { poison: true }],
  ['the floor of WebGPU, kernels for GPUs', { floor: true, assumeGpu: true, poison: true }, atTheFloor],
];

/** Around the borders of tiles: 64 queries or 8 invocations of 4, 32 keys, handfuls of 4. */
const borders: Case[] = [
  [31, 33],
  [33, 31],
  [63, 65],
  [129, 127],
].map(([T, S]) => ({ name: `${T} queries, ${S} keys`, sizes: { B: 1, T, S }, causal: T > S }));

describe.each(devices)('on %s', (_, options, only) => {
  let device: Promise<Device> | undefined;
  const all = process.env['SEQ_SLOW'] === '1' || only === undefined;
  const due = cases.map((what, seed) => [what.name, what, seed] as const);
  test.each(due.filter(([name]) => all || only.includes(name)))('%s', async (_name, what, seed) => {
    await agrees(new Problem(what, seed), await (device ??= requestWebGPU(options)));
  });

  test.each(borders.map((what) => [what.name, what] as const))(
    'no memory of others is looked at: %s',
    async (_name, what) => agrees(new Problem(what), await (device ??= requestWebGPU(options))),
  );

  test('fifty backward runs give the same bits', async () => {
    const on = await (device ??= requestWebGPU(options));
    const problem = new Problem({ name: '', causal: true, sizes: { T: 37, S: 37 } });
    const bits = async (): Promise<ArrayLike<number>[]> =>
      Promise.all(Object.values(problem.run(on, 'f32').gradients).map((x) => x.data()));
    const want = await bits();
    for (let i = 1; i < 50; i++) expect(await bits()).toEqual(want);
  });
});
