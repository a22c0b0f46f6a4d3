// What flash attention promises beside its values: errors no larger than those of composed operations, the same bits
// every time, no look at memory that is not its own.
import { createCpu, key, normal } from '@seq/tensor';
import type { Device } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { flashAttention } from './attention.js';
import { errorsOf, exacting, Problem, references } from './testkit.js';

test.each(exacting.map((what) => [what.name, what] as const))(
  'errors are at most twice those of composed operations in the same precision: %s',
  async (_, what) => {
    const problem = new Problem(what, 3);
    const ours = await errorsOf(problem, problem.run(createCpu(), 'f32'));
    const composed = await errorsOf(problem, problem.run(references, 'f32'));
    // The composite may be right to the last bit by luck: 1e-6 allows for a few roundings of values near 1.
    for (const [i, error] of ours.entries()) expect(error).toBeLessThanOrEqual(2 * composed[i] + 1e-6);
  },
);

test('fifty backward runs give the same bits, on one thread as on two', async () => {
  const [one, two] = [createCpu(), createCpu({ threads: 2 })];
  const problem = new Problem({ name: '', causal: true, sizes: { B: 1, T: 120, S: 120 } });
  const bits = async (device: Device): Promise<Float32Array[]> => {
    const { gradients } = problem.run(device, 'f32');
    return Promise.all(Object.values(gradients).map(async (x) => (await x.data()) as Float32Array));
  };
  const want = await bits(one);
  for (let i = 0; i < 50; i++) expect(await bits(i % 10 === 9 ? two : one)).toEqual(want);
});

describe('no kernel looks at memory that is not its own, at the borders of tiles', () => {
  // Tiles of the CPU kernels: 48 rows, four above each other, by 96 keys; products of 6 rows and 8 columns.
  const device = createCpu({ poison: true });
  const due = [
    [47, 95, 7],
    [48, 96, 8],
    [49, 97, 9],
    [191, 193, 12],
    [193, 191, 5],
  ];
  test.each(due)('%i queries, %i keys, heads of %i', async (T, S, D) => {
    const sizes = { B: 1, T, S, H: 2, G: 1, D, V: D + 1 };
    for (const causal of [true, false]) {
      const problem = new Problem({ name: '', sizes, causal }, T);
      for (const error of await errorsOf(problem, problem.run(device, 'f32')))
        expect(error).toBeLessThan(1e-4);
    }
  });
});

test('a long sequence runs on the CPU device, in the memory of its plan', async () => {
  const device = createCpu();
  const [q, k, v] = [1, 2, 3].map((n) => normal(key(n, { device }), [1, 2048, 2, 16], { device }));
  await Promise.all([q, k, v].map((x) => x.realize()));
  const before = device.memory().bytes;
  using o = flashAttention(q, k, v, { causal: true });
  expect(Number.isFinite(await o.sum().item())).toBe(true);
  // Scores would have 32 MiB.
  expect(device.memory().peakBytes - before).toBeLessThan(2 ** 20);
});
