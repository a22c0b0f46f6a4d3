import { cloneTree, createCpu, key, OptionError, tensor, uniform } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { adamw } from './adam.js';
import { weightAverage } from './average.js';
import { constant } from './schedules.js';
import { sgd } from './sgd.js';
import { trainStep } from './step.js';

const numbers = async (t: Tensor): Promise<number[]> => [...(await t.data())];

/** Ten updates by hand: the parameters after each and the average, in f64. */
async function byHand(decay: number, rampUp: number): Promise<{ params: number[]; average: number[] }> {
  const optimizer = sgd({ lr: 0.1, momentum: 0.9, nesterov: true });
  let params = { w: tensor([1, -2, 3], { dtype: 'f64' }) };
  let state = optimizer.init(params);
  let average = await numbers(params.w);
  for (let t = 1; t <= 10; t++) {
    [params, state] = optimizer.update(params, { w: params.w.mul(0.5) }, state);
    const d = Math.min(decay, t / (t - 1 + rampUp));
    const p = await numbers(params.w);
    average = average.map((a, i) => d * a + (1 - d) * p[i]);
  }
  return { params: await numbers(params.w), average };
}

describe('weightAverage', () => {
  test.each([
    [0.9, 10],
    [0.5, 1],
    [0, 3],
  ])(
    'is the recurrence of its page, and training goes on as without it: decay %f, rampUp %f',
    async (decay, rampUp) => {
      const optimizer = weightAverage(sgd({ lr: 0.1, momentum: 0.9, nesterov: true }), { decay, rampUp });
      let params = { w: tensor([1, -2, 3], { dtype: 'f64' }) };
      let state = optimizer.init(params);
      expect(await numbers(optimizer.average(params, state).w)).toEqual([1, -2, 3]);
      for (let t = 0; t < 10; t++)
        [params, state] = optimizer.update(params, { w: params.w.mul(0.5) }, state);
      const wanted = await byHand(decay, rampUp);
      expect(await numbers(params.w)).toEqual(wanted.params);
      const got = await numbers(optimizer.average(params, state).w);
      got.forEach((a, i) => expect(Math.abs(a - wanted.average[i])).toBeLessThan(1e-6)); // d_t is f32
    },
  );

  test('a skipped step leaves the average as it is; what is not a float is taken over', async () => {
    const optimizer = weightAverage(adamw({ lr: 0.1 }), { decay: 0.5, rampUp: 1 });
    const params = { w: tensor([1, 2]), n: tensor(7, { dtype: 'i32' }) };
    const grads = { w: tensor([1, 1]), n: tensor(0) };
    const off = tensor(false, { dtype: 'bool' });
    const state = optimizer.init(params);
    const broken = { ...params, w: params.w.mul(NaN) };
    const [kept, same] = optimizer.update(broken, grads, state, { enabled: off });
    expect(await numbers(optimizer.average(kept, same).w)).toEqual([1, 2]);
    const [moved, after] = optimizer.update(params, grads, state);
    const average = optimizer.average(moved, after);
    expect((await numbers(average.w))[0]).toBeCloseTo((1 + (await moved.w.at(0).item())) / 2, 6);
    expect([average.n.dtype, await average.n.item()]).toEqual(['i32', 7]);
  });

  test('compiled it is updated in place: no bytes are gained over many steps, and the start is not overwritten', async () => {
    const device = createCpu();
    const model = {
      loss: (p: { w: Tensor }, tokens: Tensor): Tensor =>
        p.w.sub(3).square().mean().add(tokens.cast('f32').mean().mul(0)),
    };
    const optimizer = weightAverage(adamw({ lr: constant(0.1), weightDecay: 0 }), { decay: 0.9, rampUp: 1 });
    let params = { w: uniform(key(1, { device }), [500]) };
    const first = cloneTree(params);
    const start = await numbers(params.w);
    let state = optimizer.init(params);
    const step = trainStep(model, optimizer);
    const tokens = tensor(Int32Array.from([1, 2]), { shape: [1, 2], device });
    const sizes: number[] = [];
    for (let t = 0; t < 60; t++) {
      const [p, s, metrics] = step(params, state, tokens);
      await metrics.loss.item();
      Object.values(metrics).forEach((m) => m.dispose());
      [params, state] = [p, s];
      sizes.push(device.memory().bytes);
    }
    expect(new Set(sizes.slice(2)).size).toBe(1);
    expect(await numbers(first.w)).toEqual(start);
    const [w] = await numbers(params.w);
    const [a] = await numbers(optimizer.average(params, state).w);
    expect(Math.abs(w - 3)).toBeLessThan(0.5);
    expect(Math.abs(a - 3)).toBeGreaterThan(1e-4);
    expect(Math.abs(a - w)).toBeLessThan(1);
  });

  test('wrong options are refused', () => {
    expect(() => weightAverage(sgd(), { decay: 1 })).toThrow(
      /decay must be a finite number in \[0, 1\), got 1/,
    );
    expect(() => weightAverage(sgd(), { rampUp: 0 })).toThrow(OptionError);
    const params = { w: tensor([1]) };
    const plain = sgd();
    expect(() => weightAverage(plain).average(params, plain.init(params))).toThrow(
      /must hold an average, got step/,
    );
  });
});
