import { expect, test } from 'vitest';
import { createCpu } from '@seq/tensor';
import { hostRandom, toHost, toTensor, treeToHost, treeToTensors } from './host.js';

const device = createCpu();

test('random arrays are fixed by their seed, exact in f32, and spread as asked', () => {
  const draw = (seed: number): Float64Array => hostRandom(seed).normal([4000], { mean: 1, std: 2 }).data;
  const [a, b, c] = [draw(1), draw(1), draw(2)];
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
  expect(a.every((v) => Math.fround(v) === v)).toBe(true);
  const mean = a.reduce((s, v) => s + v, 0) / a.length;
  const deviation = Math.sqrt(a.reduce((s, v) => s + (v - mean) ** 2, 0) / a.length);
  expect(mean).toBeCloseTo(1, 0);
  expect(deviation).toBeCloseTo(2, 0);
  const u = hostRandom(3).uniform([1000], { low: -1, high: 3 }).data;
  expect(Math.min(...u)).toBeGreaterThanOrEqual(-1);
  expect(Math.max(...u)).toBeLessThan(3);
  const i = hostRandom(4).integer([1000], { low: 2, high: 5 });
  expect(new Set(i.data)).toEqual(new Set([2, 3, 4]));
  expect(i.dtype).toBe('i32');
});

test('arrays go to a device and come back, floats in the dtype of the place', async () => {
  const x = hostRandom(5).normal([2, 3]);
  for (const dtype of ['f32', 'f64'] as const) {
    const t = toTensor(x, { device, dtype });
    expect([t.dtype, t.device, t.shape]).toEqual([dtype, device, [2, 3]]);
    expect(await toHost(t)).toEqual(x);
  }
  const ids = hostRandom(6).integer([4], { high: 9 });
  expect(toTensor(ids, { device, dtype: 'f64' }).dtype).toBe('i32');
  expect(await toHost(toTensor(ids, { device, dtype: 'f64' }))).toEqual(ids);
  const flags = { shape: [2], dtype: 'bool' as const, data: Float64Array.of(1, 0) };
  expect(await toHost(toTensor(flags, { device, dtype: 'f32' }))).toEqual(flags);
});

test('trees keep structure, paths and order', async () => {
  const make = (v: number) => toTensor({ shape: [1], data: Float64Array.of(v) }, { device, dtype: 'f64' });
  const host = await treeToHost({ b: make(1), a: [make(2), { c: make(3) }] });
  expect(host.paths).toEqual(['b', 'a.0', 'a.1.c']);
  const back = treeToTensors<{ a: [unknown, { c: ReturnType<typeof make> }] }>(host, {
    device,
    dtype: 'f32',
  });
  expect(await back.a[1].c.item()).toBe(3);
  expect(back.a[1].c.dtype).toBe('f32');
});
