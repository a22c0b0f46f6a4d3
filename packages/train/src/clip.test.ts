import { createCpu, grad, OptionError, ShapeError, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { clipByGlobalNorm, globalNorm } from './clip.js';

describe('clipByGlobalNorm', () => {
  const grads = (): { a: Tensor; b: Tensor[] } => ({
    a: tensor([3, 0]),
    b: [tensor([[4]]), tensor(Float32Array.of(12))],
  });

  test('the norm is that of all tensors together', async () => {
    expect(await globalNorm(grads()).item()).toBe(13);
  });

  test('large gradients keep their direction and get the norm asked for', async () => {
    const [clipped, norm] = clipByGlobalNorm(grads(), 6.5);
    expect(await norm.item()).toBe(13);
    const c = 6.5 / (13 + 1e-6);
    expect((await clipped.a.data())[0]).toBeCloseTo(3 * c, 6);
    expect(await clipped.b[1].item()).toBeCloseTo(12 * c, 5);
    expect(await globalNorm(clipped).item()).toBeCloseTo(6.5, 5);
  });

  test('small gradients come back bit for bit', async () => {
    const [same] = clipByGlobalNorm(grads(), 14);
    expect(await same.a.toArray()).toEqual([3, 0]);
    expect(await same.b[0].toArray()).toEqual([[4]]);
  });

  test('what is not finite shows in the norm', async () => {
    expect(await globalNorm([tensor([1, NaN])]).item()).toBeNaN();
    expect(await globalNorm([tensor([1, -Infinity])]).item()).toBe(Infinity);
  });

  test('views, mixed types and the reference give the same norm', async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await globalNorm([x.transpose(), x.slice(1, 0, 1)]).item()).toBeCloseTo(Math.sqrt(40), 6);
    expect(await globalNorm([tensor([3]), tensor(Float64Array.of(4))]).item()).toBe(5);
    const references = createCpu({ references: true });
    expect(await globalNorm([tensor([3, 4], { device: references })]).item()).toBe(5);
  });

  test('the norm has a gradient', async () => {
    const g = grad((p: Tensor) => globalNorm([p]), tensor([3, 4]));
    expect(await g.toArray()).toEqual([Math.fround(0.6), Math.fround(0.8)]);
  });

  test('wrong arguments are refused', () => {
    expect(() => clipByGlobalNorm(grads(), 0)).toThrow(OptionError);
    expect(() => globalNorm({ ids: tensor(Int32Array.of(1)) })).toThrow(ShapeError);
  });
});
