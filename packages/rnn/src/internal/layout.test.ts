import { createCpu, grad, key, normal, tensor, zeros } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { elmanSequence } from '../elman/index.js';
import { gruSequence } from '../gru/index.js';
import { lstmSequence } from '../lstm/index.js';

const [B, T, I, H] = [3, 7, 5, 11];

type Masks = { lengths?: Tensor; resets?: Tensor; reverse: boolean };
type Layer = (x: Tensor, w: Tensor[], o: Masks) => Tensor;

const gates = (n: number, P: number = H): number[][] => [[n * H, I], [n * H, P], [n * H], [n * H]];
const weights = ([weightIh, weightHh, biasIh, biasHh]: Tensor[]): Record<
  'weightIh' | 'weightHh' | 'biasIh' | 'biasHh',
  Tensor
> => ({
  weightIh,
  weightHh,
  biasIh,
  biasHh,
});

const layers: [string, number[][], Layer][] = [
  ['gru', gates(3), (x, w, o) => gruSequence(x, weights(w), o)[0]],
  ['gru of the paper', gates(3), (x, w, o) => gruSequence(x, weights(w), { ...o, resetAfter: false })[0]],
  ['lstm', gates(4), (x, w, o) => lstmSequence(x, weights(w), o)[0]],
  [
    'lstm, projected',
    [...gates(4, 4), [4, H]],
    (x, w, o) => lstmSequence(x, { ...weights(w), weightHr: w[4] }, o)[0],
  ],
  ['elman', gates(1), (x, w, o) => elmanSequence(x, weights(w), o)[0]],
];

/** Output and all gradients of a layer on a device. */
async function results(
  device: Device,
  shapes: number[][],
  layer: Layer,
  masked: boolean,
  reverse: boolean,
): Promise<number[]> {
  const inputs = [[B, T, I], ...shapes].map((shape, i) => normal(key(i + 1, { device }), shape).mul(0.5));
  const flags = Array.from({ length: B * T }, (_, i) => i % 5 === 3);
  const masks: Masks = {
    reverse,
    ...(masked && {
      lengths: tensor([T, 4, 0], { dtype: 'i32', device }),
      resets: tensor(flags, { dtype: 'bool', shape: [B, T], device }),
    }),
  };
  const f = ([x, ...w]: Tensor[]): Tensor => layer(x, w, masks);
  const all = [f(inputs), ...grad((list: Tensor[]) => f(list).square().sum(), inputs)];
  return (await Promise.all(all.map((t) => t.data()))).flatMap((data) => [...data]);
}

describe.each(layers)('%s on WebAssembly equals the loops', (_, shapes, layer) => {
  test.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('masked %s, reverse %s', async (masked, reverse) => {
    const want = await results(createCpu({ wasm: false }), shapes, layer, masked, reverse);
    const largest = Math.max(...want.map(Math.abs));
    for (const device of [createCpu({ poison: true }), createCpu({ wasm: 'plain', poison: true })]) {
      expect(device.build).not.toBe('loops');
      const got = await results(device, shapes, layer, masked, reverse);
      expect(got.length).toBe(want.length);
      // NaN must not pass.
      expect(Math.max(...got.map((v, i) => Math.abs(v - want[i])))).toBeLessThan(3e-6 * largest);
    }
  });
});

test.each(layers)('%s: the same bits on two threads', async (_, shapes, layer) => {
  const wide = (shape: number[]): number[] => shape.map((d) => (d % H === 0 ? d * 12 : d));
  const run = async (device: Device): Promise<number[]> => {
    const list = [[6, 32, I], ...shapes.map(wide)].map((shape, i) =>
      normal(key(i + 1, { device }), shape).mul(0.2),
    );
    const f = ([x, ...w]: Tensor[]): Tensor => layer(x, w, { reverse: false });
    const all = [f(list), ...grad((l: Tensor[]) => f(l).square().sum(), list)];
    return (await Promise.all(all.map((t) => t.data()))).flatMap((data) => [...data]);
  };
  const device = createCpu({ threads: 2 });
  await zeros([512, 512], { device }).exp().data(); // long enough to start the worker
  for (let i = 0; device.threads < 2 && i < 2000; i++) await new Promise((done) => setTimeout(done, 5));
  expect([device.threads, device.threadsOff]).toEqual([2, null]);
  expect(await run(device)).toEqual(await run(createCpu()));
});
