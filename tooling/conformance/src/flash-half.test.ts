// Heads stored as f16: sums, weights and gradients are f32 between.
import { flashAttention, flashAttentionWithLse } from '@seq/flash';
import { createCpu, explain, grad, key, mul, normal, sum, zeros } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { createRecording, loadKernels, requestWebGPU } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

await loadKernels();

/** Rounding to f16, of values up to 4. */
const rounding = 2 ** -9;

type Heads = [q: Tensor, k: Tensor, v: Tensor];

const drawn = (device: Device, T: number, S: number, D: number): Heads =>
  [T, S, S].map((n, i) =>
    normal(key(i, { device }), [2, n, i === 0 ? 4 : 2, D], { device }).cast('f16'),
  ) as Heads;

const full = (heads: readonly Tensor[]): Heads => heads.map((x) => x.cast('f32')) as Heads;

async function largest(a: Tensor, b: Tensor): Promise<number> {
  const [x, y] = [await a.cast('f32').data(), await b.cast('f32').data()];
  // NaN must not pass.
  return Array.from(x).reduce((most, value, i) => {
    const error = Math.abs(value - y[i]);
    return error <= most ? most : error;
  }, 0);
}

async function webgpu(assumeGpu: boolean, skip: (why: string) => never): Promise<Device> {
  const device = await requestWebGPU({ assumeGpu, poison: true });
  return device.limits.f16 ? device : skip('the adapter has no shader-f16');
}

describe.each([
  ['the CPU', () => Promise.resolve<Device>(createCpu())],
  ['WebGPU', (skip: (why: string) => never) => webgpu(false, skip)],
  ['WebGPU, kernels for GPUs', (skip: (why: string) => never) => webgpu(true, skip)],
])('f16 on %s', (_, request) => {
  test.for([
    [37, 41, 8],
    [1, 200, 16],
    [9, 70, 5],
  ])('%i queries, %i keys, heads of %i', async ([T, S, D], { skip }) => {
    const device = await request(skip);
    const heads = drawn(device, T, S, D);
    const options = { causal: true, sinks: normal(key(9, { device }), [4], { device }) };
    const [o, lse] = flashAttentionWithLse(...heads, options);
    const [want, wantLse] = flashAttentionWithLse(...full(heads), options);
    expect([o.dtype, lse.dtype]).toEqual(['f16', 'f32']);
    expect(await largest(o, want)).toBeLessThan(rounding);
    expect(await largest(lse, wantLse)).toBeLessThan(1e-5);

    const weights = normal(key(8, { device }), want.shape, { device });
    const loss = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
      sum(mul(flashAttention(q, k, v, options).cast('f32'), weights));
    const grads = grad((x: readonly Tensor[]) => loss(x[0], x[1], x[2]), heads);
    // The result's own rounding has slope 1: gradients are those of f32, rounded once.
    const wanted = grad((x: readonly Tensor[]) => loss(x[0], x[1], x[2]), full(heads));
    for (const [i, got] of grads.entries()) {
      expect(got.dtype).toBe('f16');
      expect(await largest(got, wanted[i])).toBeLessThan(8 * rounding);
    }
  });
});

test('shaders read f16 where it lies: a cache is not widened', () => {
  const { device } = createRecording({ limits: { f16: true } });
  const half = { device, dtype: 'f16' } as const;
  const [q, cache] = [zeros([1, 1, 4, 64], half), zeros([1, 4096, 4, 64], half)];
  const plan = explain((q: Tensor, k: Tensor, v: Tensor) => flashAttention(q, k, v), q, cache, cache);
  expect(plan.inputBytes).toBeGreaterThan(2 * 4096 * 4 * 64);
  expect(plan.temporaryBytes).toBeLessThan(0.1 * plan.inputBytes);
});
