import { layerNorm, rmsNorm, rmsNormGated, rope, ropeOp } from '@seq/nn';
import { apply1, grad, ones } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import type { Input } from '../../../packages/webgpu-kernels/src/testkit.js';
import { besideDevice, same, sameGrad, testDevice } from '../../../packages/webgpu-kernels/src/testkit.js';

// Kernels of layers on WebGPU against the CPU, shared out as on a program and as on a GPU.

/** Rows and their length: one element, whole fours and not, longer than a workgroup. As a GPU each length is a shader. */
const shapes = [
  [1, 1],
  [5, 3],
  [2, 3, 4],
  [9, 63],
  [70, 64],
  [2, 127],
  [3, 1000],
];
const few = [
  [5, 3],
  [70, 64],
  [2, 4100],
];

const vectors = (x: number[]): Input[] => [
  { shape: [x.at(-1)!], seed: 2 },
  { shape: [x.at(-1)!], seed: 3 },
];

const norms: [name: string, inputs: (x: number[]) => Input[], f: (...t: Tensor[]) => Tensor][] = [
  ['layerNorm', (x) => [{ shape: x }, ...vectors(x)], (x, weight, bias) => layerNorm(x, { weight, bias })],
  ['layerNorm with weight', (x) => [{ shape: x }, ...vectors(x)], (x, weight) => layerNorm(x, { weight })],
  ['layerNorm with bias', (x) => [{ shape: x }, ...vectors(x)], (x, _, bias) => layerNorm(x, { bias })],
  ['layerNorm without', (x) => [{ shape: x }], (x) => layerNorm(x, {}, { eps: 1e-2 })],
  ['rmsNorm', (x) => [{ shape: x }, ...vectors(x)], (x, weight) => rmsNorm(x, { weight })],
  ['rmsNorm without', (x) => [{ shape: x }], (x) => rmsNorm(x)],
];

describe.each([
  ['this adapter', testDevice, shapes],
  ['this adapter as a GPU', () => besideDevice({ assumeGpu: true }), few],
] as const)('on %s', (_, open, rows) => {
  let opened: ReturnType<typeof testDevice> | null = null;
  const device = (): ReturnType<typeof testDevice> => (opened ??= open());

  test.each(norms)('%s', async (_name, inputs, f) => {
    for (const shape of rows) {
      const options = { device: await device(), tolerance: 1e-5 };
      await same(f, inputs(shape), options);
      // A row of one has no spread: what is left of its gradient is rounding, times 1/√eps.
      if (shape.at(-1)! > 2) await sameGrad(f, inputs(shape), { ...options, tolerance: 3e-5 });
    }
  });

  test.each([
    ['silu', true],
    ['silu', false],
    ['sigmoid', true],
    ['sigmoid', false],
  ] as const)('rmsNormGated by %s, norm before gate %s', async (gate, normBeforeGate) => {
    for (const [shape, groupSize] of [
      [[5, 6], 3],
      [[20, 64], 16],
    ] as const) {
      const x = [...shape];
      const inputs = [{ shape: x }, { shape: x, seed: 5, low: -4, high: 4 }, ...vectors(x)];
      const o = { gate, normBeforeGate, groupSize, eps: 1e-3 };
      const options = { device: await device(), tolerance: 1e-5 };
      await same((a, z, weight, bias) => rmsNormGated(a, z, { weight, bias }, o), inputs, options);
      await sameGrad((a, z, weight, bias) => rmsNormGated(a, z, { weight, bias }, o), inputs, {
        ...options,
        tolerance: 5e-5,
      });
    }
  });

  test('views, empty rows, many rows', async () => {
    const options = { device: await device(), tolerance: 1e-5 };
    const f = (x: Tensor, weight: Tensor, bias: Tensor): Tensor =>
      layerNorm(x.transpose().slice(0, 1, 9), { weight, bias });
    await same(f, [{ shape: [12, 9] }, ...vectors([12])], options);
    await sameGrad(f, [{ shape: [12, 9] }, ...vectors([12])], options);
    for (const shape of [
      [0, 4],
      [4, 0],
    ]) {
      await same((x, weight) => rmsNorm(x, { weight }), [{ shape }, ...vectors(shape)], options);
      await sameGrad((x, weight) => rmsNorm(x, { weight }), [{ shape }, ...vectors(shape)], options);
    }
    await sameGrad((x, weight) => rmsNorm(x, { weight }), [{ shape: [70_000, 4] }, ...vectors([4])], {
      ...options,
      tolerance: 1e-4,
    });
  });

  test('rope', async () => {
    const options = { device: await device() };
    for (const interleaved of [false, true])
      for (const [shape, rotaryDim] of [
        [[2, 3, 2, 8], 8],
        [[1, 5, 3, 16], 8],
        [[2, 2, 1, 6], 4],
        [[1, 1, 2, 2], 2],
        [[3, 130, 4, 64], 64],
      ] as const) {
        const f = (x: Tensor): Tensor => rope(x, { interleaved, rotaryDim, offset: 7 });
        await same(f, [{ shape }], { ...options, tolerance: 2e-5 });
        await sameGrad(f, [{ shape }], { ...options, tolerance: 2e-5 });
        const table = { shape: [shape[0], shape[1], rotaryDim / 2], low: -1, high: 1 };
        const own = (x: Tensor, c: Tensor, s: Tensor): Tensor => apply1(ropeOp, [x, c, s], { interleaved });
        await same(own, [{ shape }, table, { ...table, seed: 4 }], options);
        await sameGrad(own, [{ shape }, table, { ...table, seed: 4 }], options);
      }
    await same((x) => rope(x.slice(3, 1, 5)), [{ shape: [2, 3, 2, 8] }], { ...options, tolerance: 1e-5 });
  });

  test('a closed gate, saturated gates', async () => {
    const I = Infinity;
    const z = { shape: [2, 4], data: [-I, 0, 200, -200, I, -I, -90, 90] };
    for (const gate of ['silu', 'sigmoid'] as const) {
      const f = (x: Tensor, t: Tensor): Tensor => rmsNormGated(x, t, {}, { gate });
      await same(f, [{ shape: [2, 4] }, z], { device: await device() });
      const finite = { ...z, data: z.data.map((v) => Math.max(-300, Math.min(300, v))) };
      await sameGrad(f, [{ shape: [2, 4] }, finite], { device: await device() });
    }
  });

  test('a large common offset, NaN stays in its row', async () => {
    const data = Array.from({ length: 64 }, (_, i) => 1e4 + (i % 7));
    data[40] = NaN;
    await same((x) => layerNorm(x), [{ shape: [4, 16], data }], { device: await device(), tolerance: 1e-5 });
  });

  test('one dispatch forward, two backward', async () => {
    const gpu = await device();
    const params = { x: ones([8, 32], { device: gpu }), weight: ones([32], { device: gpu }) };
    await Promise.all(Object.values(params).map((t) => t.realize()));
    const ran = async (f: () => Tensor[]): Promise<number> => {
      const { kernels } = gpu.counters;
      await Promise.all(f().map((t) => t.realize()));
      return gpu.counters.kernels - kernels;
    };
    expect(await ran(() => [layerNorm(params.x, params)])).toBe(1);
    const seed = ones([8, 32], { device: gpu });
    await seed.realize();
    const loss = (p: typeof params): Tensor => layerNorm(p.x, p).mul(seed).sum();
    const backward = await ran(() => Object.values(grad(loss, params)));
    const cotangent = await ran(() => [grad((x: Tensor) => x.mul(seed).sum(), params.x)]);
    expect(backward - cotangent).toBe(2);
  });
});
