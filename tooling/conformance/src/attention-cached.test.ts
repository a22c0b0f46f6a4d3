// Attention over a cache on WebGPU against the CPU in f64, at every option.
import { attendCached } from '@seq/attention';
import type { AttendCachedOptions } from '@seq/attention';
import { createCpu, grad, tensor } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { requestWebGPU } from '@seq/webgpu-kernels';
import type { WebGPUOptions } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';
import { random } from '../../../packages/webgpu-kernels/src/testkit.js';

interface Case {
  readonly name: string;
  /** B, T, H, G, D, V, M */
  readonly sizes: readonly [number, number, number, number, number, number, number];
  readonly position: readonly number[];
  readonly first?: readonly number[];
  readonly options?: Omit<AttendCachedOptions, 'alibiSlopes' | 'sinks'> & { alibi?: boolean; sink?: boolean };
}

const cases: Case[] = [
  { name: 'one query', sizes: [1, 1, 4, 4, 8, 8, 20], position: [13] },
  { name: 'rows of their own', sizes: [3, 1, 2, 2, 4, 4, 9], position: [0, 8, 4], first: [0, 3, 4] },
  { name: 'several queries, shared keys', sizes: [2, 3, 4, 2, 8, 12, 16], position: [5, 11] },
  { name: 'more keys than a workgroup', sizes: [1, 1, 2, 1, 4, 8, 700], position: [641] },
  { name: 'odd heads', sizes: [2, 1, 3, 3, 5, 7, 11], position: [10, 2] },
  {
    name: 'a ring',
    sizes: [2, 1, 2, 2, 4, 4, 6],
    position: [17, 3],
    first: [14, 0],
    options: { ring: true },
  },
  {
    name: 'softcap, slopes, sinks, a scale',
    sizes: [2, 2, 2, 2, 4, 4, 10],
    position: [7, 2],
    options: { softcap: 2, alibi: true, sink: true, scale: 0.7 },
  },
  { name: 'sinks', sizes: [1, 1, 2, 2, 8, 8, 300], position: [290], options: { sink: true } },
];

function run({ sizes, position, first, options = {} }: Case, device: Device, dtype: 'f32' | 'f64') {
  const [B, T, H, G, D, V, M] = sizes;
  let seed = 0;
  const draw = (...shape: number[]): Tensor => {
    const next = random(++seed);
    const n = shape.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: n }, () => Math.fround(2 * next() - 1));
    return tensor(values, { device, dtype, shape });
  };
  const at = (list: readonly number[]): Tensor => tensor([...list], { device, dtype: 'i32' });
  const q = draw(B, T, H, D).mul(2);
  const state = {
    k: draw(B, M, G, D),
    v: draw(B, M, G, V),
    position: at(position),
    first: at(first ?? position.map(() => 0)),
  };
  const { alibi, sink, ...rest } = options;
  const o = { ...rest, ...(alibi && { alibiSlopes: draw(H) }), ...(sink && { sinks: draw(H) }) };
  return [attendCached(q, state, o), grad((x: Tensor) => attendCached(x, state, o).square().sum(), q)];
}

/** Cases that meet every branch of the kernels for GPUs; SEQ_SLOW runs all on all. */
const few = ['odd heads', 'a ring', 'softcap, slopes, sinks, a scale', 'sinks'];

const devices: [string, WebGPUOptions, string[]?][] = [
  ['the adapter as it is', { poison: true }],
  ['the floor of WebGPU, kernels for GPUs', { floor: true, assumeGpu: true, poison: true }, few],
];

describe.each(devices)('on %s', (_, options, only) => {
  let device: Promise<Device> | undefined;
  const all = process.env['SEQ_SLOW'] === '1' || only === undefined;
  const due = cases.filter(({ name }) => all || only.includes(name));
  test.each(due.map((c) => [c.name, c] as const))('%s', async (_name, c) => {
    const got = run(c, await (device ??= requestWebGPU(options)), 'f32');
    const want = run(c, createCpu(), 'f64');
    for (const [i, w] of want.entries()) {
      const [a, b] = [await got[i].data(), await w.data()];
      expect(a.length).toBe(b.length);
      b.forEach((v, k) => expect(Math.abs(a[k] - v)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(v))));
    }
  });
});
