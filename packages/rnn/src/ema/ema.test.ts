import { key, ones, tensor } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { ema, exponentialMovingAverage } from './index.js';
import { emaNaive } from './naive.js';

const C = 4;

conformance(ema, {
  small: { dModel: C },
  core: {
    inputs: ({ B, T, random }) => ({
      x: random.normal([B, T, C]),
      a: random.uniform([C]),
      h0: random.normal([B, C]),
    }),
    op: ({ x, a, h0 }) => exponentialMovingAverage(x, a, { h0 }),
    naive: ({ x, a, h0 }) =>
      emaNaive({ x: x.data, a: a.data, h0: h0.data }, { B: x.shape[0], T: x.shape[1], C }).y,
  },
});

describe('exponentialMovingAverage', () => {
  test('decay 0 copies, decay 1 keeps, decay 1/2 halves the distance', async () => {
    const x = tensor([
      [
        [1, 1, 1],
        [2, 2, 2],
      ],
    ]);
    const h = exponentialMovingAverage(x, tensor([0, 1, 0.5]), { h0: ones([1, 3]).mul(5) });
    expect(await h.toArray()).toEqual([
      [
        [1, 5, 3],
        [2, 5, 2.5],
      ],
    ]);
  });

  test('messages show both shapes', () => {
    expect(() => exponentialMovingAverage(ones([2, 3, 4]), ones([3]))).toThrow(
      'exponentialMovingAverage: x must be [B, T, C] and a [C] with the same C, got x [2, 3, 4], a [3]. Give one decay per channel.',
    );
    expect(() => exponentialMovingAverage(ones([2, 3, 4]), ones([4]), { h0: ones([4]) })).toThrow(
      'h0 must be [B, C] = [2, 4], got [4]',
    );
  });
});

describe('ema', () => {
  test('init spreads the decays from 0.05 to 0.95', async () => {
    const decays = await ema({ dModel: 5 }).init(key(0)).logitDecay.sigmoid().data();
    expect(decays[0]).toBeCloseTo(0.0474, 3);
    expect(decays[2]).toBeCloseTo(0.5, 6);
    expect(decays[4]).toBeCloseTo(0.9526, 3);
  });
});
