import type { Tensor } from '@seq/tensor';
import { matmul } from '@seq/tensor';
import type { GpuLimits, GpuVariant } from '@seq/tensor/engine';
import { matmulOp } from '@seq/tensor/engine';
import { describe, expect, test } from 'vitest';
import { besideDevice, floorTestDevice, random, same, sameGrad, testDevice } from '../testkit.js';
import type { WebGPUDevice } from '../device.js';
import { directVariant, skinnyVariant, tileVariant } from './matmul.js';

const devices = new Map<string, Promise<WebGPUDevice>>();

/** A device whose products all run by one variant, chosen as on a GPU. */
function only(variant: GpuVariant<null>): Promise<WebGPUDevice> {
  const known = devices.get(variant.name);
  if (known !== undefined) return known;
  const gpu = (limits: GpuLimits): GpuLimits => ({ ...limits, software: false });
  const forced: GpuVariant<unknown> = {
    name: variant.name,
    supports: () => true,
    plan: (call, limits) => variant.plan(call as never, gpu(limits)),
  };
  const made = besideDevice({ kernels: new Map([[matmulOp, { strided: true, variants: [forced] }]]) });
  devices.set(variant.name, made);
  return made;
}

const designs: [string, () => Promise<WebGPUDevice>][] = [
  ['the adapter’s own choice', testDevice],
  ['the floor', floorTestDevice],
  ['tiles', () => only(tileVariant)],
  ['registers', () => only(directVariant)],
];

/** Errors of f32 sums grow with the root of their length. */
const within = (K: number): number => 3e-7 * (8 + 2 * Math.sqrt(K));

const mm = (a: Tensor, b: Tensor): Tensor => matmul(a, b);
const tn = (a: Tensor, b: Tensor): Tensor => matmul(a.transpose(), b);
const nt = (a: Tensor, b: Tensor): Tensor => matmul(a, b.transpose());
const tt = (a: Tensor, b: Tensor): Tensor => matmul(a.transpose(), b.transpose());

describe.each(designs)('by %s', (_, make) => {
  test('every pair of transposes, sizes of fours and odd ones', async () => {
    const device = await make();
    for (const [M, N, K] of [
      [64, 64, 64],
      [63, 65, 67],
      [2, 3, 5],
      [127, 36, 20],
    ]) {
      // Side by side, so that all compile at once.
      await same(
        (a, b, at, bt) => [mm(a, b), tn(at, b), nt(a, bt), tt(at, bt)],
        [
          { shape: [M, K] },
          { shape: [K, N], seed: 5 },
          { shape: [K, M], seed: 6 },
          { shape: [N, K], seed: 7 },
        ],
        { device, tolerance: within(K) },
      );
    }
  });

  test('vectors, empty sums and empty results', async () => {
    const device = await make();
    for (const [M, N, K] of [
      [1, 1, 1],
      [1, 1000, 64],
      [1000, 1, 63],
      [1, 1, 1000],
      [3, 257, 33],
      [4, 5, 0],
      [0, 3, 4],
      [3, 0, 4],
    ]) {
      await same(mm, [{ shape: [M, K] }, { shape: [K, N], seed: 2 }], { device, tolerance: within(K) });
      await same(nt, [{ shape: [M, K] }, { shape: [N, K], seed: 2 }], { device, tolerance: within(K) });
    }
  });

  test('batches that broadcast, and views of any strides', async () => {
    const device = await make();
    const o = { device, tolerance: within(16) };
    await same(mm, [{ shape: [3, 1, 5, 8] }, { shape: [2, 8, 12], seed: 3 }], o);
    await same(mm, [{ shape: [2, 3, 5, 7] }, { shape: [2, 1, 7, 9], seed: 3 }], o);
    await same(mm, [{ shape: [4, 8] }, { shape: [3, 8, 4], seed: 3 }], o);
    await same(mm, [{ shape: [5, 1, 8] }, { shape: [8, 12], seed: 3 }], o);
    // Heads as attention has them: [B, T, H, D] read as [B, H, T, D].
    await same(
      (q, k) => matmul(q.transpose([0, 2, 1, 3]), k.transpose([0, 2, 3, 1])),
      [{ shape: [2, 9, 3, 8] }, { shape: [2, 7, 3, 8], seed: 3 }],
      o,
    );
    await same(
      (a, b) => matmul(a.slice(0, 1, 14).slice(1, 3, 11), b.slice(0, 2, 10).slice(1, 1, 18)),
      [{ shape: [16, 16] }, { shape: [12, 20], seed: 3 }],
      o,
    );
    await same(
      (a, b) => matmul(a.slice(1, 0, 16, 2), b.slice(1, 4, 12)),
      [{ shape: [16, 16] }, { shape: [8, 16], seed: 3 }],
      o,
    );
    await same((a, b) => matmul(a.flip(0), b.flip(1)), [{ shape: [8, 16] }, { shape: [16, 8], seed: 3 }], o);
  });
});

test('vector and matrix for GPUs: along columns and along K, any K', async () => {
  const device = await only(skinnyVariant);
  for (const [M, N, K] of [
    [1, 256, 64],
    [1, 37, 35],
    [3, 132, 36],
    [1, 5, 1000],
    [300, 2, 33],
    [1, 64, 1024],
  ]) {
    // Side by side, so that all compile at once.
    await same(
      (a, b, at, bt) => [mm(a, b), nt(a, bt), tn(at, b)],
      [{ shape: [M, K] }, { shape: [K, N], seed: 2 }, { shape: [K, M], seed: 3 }, { shape: [N, K], seed: 4 }],
      { device, tolerance: within(K) },
    );
  }
  await same(mm, [{ shape: [6, 2, 16] }, { shape: [6, 16, 20], seed: 2 }], { device, tolerance: within(16) });
});

test('few results of long sums are cut along K, and come out the same twice', async () => {
  const device = await only(tileVariant);
  const before = device.counters.dispatches;
  await same(tn, [{ shape: [2000, 24] }, { shape: [2000, 40], seed: 2 }], {
    device,
    tolerance: within(2000),
  });
  expect(device.counters.dispatches - before).toBe(2);
  await same(mm, [{ shape: [3, 20, 1030] }, { shape: [3, 1030, 17], seed: 2 }], {
    device,
    tolerance: within(1030),
  });
});

test('more than 65,535 tiles', async () => {
  const device = await testDevice();
  await same(mm, [{ shape: [70_000, 2, 2] }, { shape: [70_000, 2, 3], seed: 2 }], { device });
});

test('large products of odd sizes', async () => {
  const K = 405;
  // K sums of up to 4 √K are rounded, by half of 2⁻²³ of them each, to either side: √K (4 √K) 2⁻²⁴ in the worst of all.
  await same(mm, [{ shape: [419, K] }, { shape: [K, 401], seed: 2 }], { tolerance: 4 * K * 2 ** -24 });
});

test('gradients', async () => {
  await sameGrad(mm, [{ shape: [3, 9, 8] }, { shape: [8, 12], seed: 4 }]);
  await sameGrad(mm, [{ shape: [2, 1, 9, 7] }, { shape: [3, 7, 5], seed: 4 }]);
  await sameGrad(nt, [{ shape: [33, 16] }, { shape: [20, 16], seed: 4 }]);
});

test('sizes drawn at random', async () => {
  const next = random(31);
  const both = await Promise.all([testDevice(), only(tileVariant)]);
  const size = (n: number): number => Math.floor(n * next() ** 2);
  for (let i = 0; i < 24; i++) {
    const [B, M, N, K] = [1 + size(4), size(90), size(90), size(70)];
    await same(
      [mm, tn, nt, tt][i % 4],
      [
        { shape: i % 2 === 0 ? [B, M, K] : [B, K, M], seed: i },
        { shape: i % 4 < 2 ? [B, K, N] : [B, N, K], seed: i + 9 },
      ],
      { device: both[i % both.length], tolerance: within(K) },
    );
  }
});
