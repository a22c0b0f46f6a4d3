import { createCpu, key, normal, tensor } from '@seq/tensor';
import type { Device } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { attendCached } from './cache.js';
import type { AttendCachedOptions } from './cache.js';

type Bends = Pick<AttendCachedOptions, 'ring' | 'softcap'> & {
  readonly alibi?: boolean;
  readonly sinks?: boolean;
};

/** The same attention on a device; T new queries after `position` entries in M slots. */
async function attended(
  device: Device,
  [B, T, M, H, G, D]: readonly number[],
  position: readonly number[],
  first: readonly number[],
  { alibi, sinks, ...bends }: Bends,
): Promise<Float32Array> {
  const random = (seed: number, shape: number[]): ReturnType<typeof normal> =>
    normal(key(seed, { device }), shape);
  const ints = (values: readonly number[]): ReturnType<typeof tensor> =>
    tensor(values, { dtype: 'i32', device });
  const state = {
    k: random(2, [B, M, G, D]),
    v: random(3, [B, M, G, D + 3]),
    position: ints(position),
    first: ints(first),
  };
  const y = attendCached(random(1, [B, T, H, D]), state, {
    ...bends,
    ...(alibi && { alibiSlopes: random(4, [H]) }),
    ...(sinks && { sinks: random(5, [H]) }),
  });
  return (await y.data()) as Float32Array;
}

describe('attendCached on WebAssembly equals the loops', () => {
  const cases: [string, number[], number[], number[], Bends][] = [
    ['one query', [2, 1, 9, 4, 2, 5], [4, 7], [0, 2], {}],
    ['several queries', [2, 3, 12, 6, 3, 8], [0, 9], [0, 0], {}],
    ['all bends', [1, 2, 40, 3, 1, 7], [33], [5], { softcap: 2, alibi: true, sinks: true }],
    ['nothing to see', [1, 1, 6, 2, 2, 4], [2], [3], {}],
    ['nothing but sinks', [1, 1, 6, 2, 2, 4], [2], [3], { sinks: true }],
    ['a ring not yet full', [2, 1, 8, 2, 1, 4], [0, 6], [0, 1], { ring: true }],
    ['a ring that wraps around', [3, 1, 8, 2, 2, 4], [8, 13, 30], [0, 9, 29], { ring: true, alibi: true }],
  ];
  test.each(cases)('%s', async (_, sizes, position, first, bends) => {
    const want = await attended(createCpu({ wasm: false }), sizes, position, first, bends);
    for (const device of [createCpu({ poison: true }), createCpu({ wasm: 'plain', poison: true })]) {
      expect(device.build).not.toBe('loops');
      const got = await attended(device, sizes, position, first, bends);
      expect(got.length).toBe(want.length);
      got.forEach((v, i) => expect(Math.abs(v - want[i])).toBeLessThan(2e-6));
    }
  });
});
