import { zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, expectTypeOf, test } from 'vitest';
import { countParams, decayMask, paramNames } from './params.js';

const params = {
  embedding: { weight: zeros([5, 3]) },
  layers: [
    {
      inNorm: { weight: zeros([2, 3]) },
      up: { weight: zeros([4, 3]), bias: zeros([2, 2]) },
      logDecay: zeros([3, 3]),
    },
    {
      inNorm: { weight: zeros([2, 3]) },
      up: { weight: zeros([4, 3]), bias: zeros([4]) },
      logDecay: zeros([3, 3]),
    },
  ],
  scale: zeros([]),
};

test('parameters are counted and named by path', () => {
  expect(countParams(params)).toBe(15 + 2 * (6 + 12 + 4 + 9) + 1);
  expect(paramNames(params).slice(0, 3)).toEqual([
    'embedding.weight',
    'layers.0.inNorm.weight',
    'layers.0.up.weight',
  ]);
  expect(countParams({})).toBe(0);
});

test('vectors, norms, biases and what is listed do not decay', () => {
  const mask = decayMask(params, ['layers.*.logDecay']);
  expectTypeOf(mask.layers[0].up.weight).toEqualTypeOf<boolean>();
  const layer = { inNorm: { weight: false }, up: { weight: true, bias: false }, logDecay: false };
  expect(mask).toEqual({ embedding: { weight: true }, layers: [layer, layer], scale: false });
  expect(decayMask(params, ['embedding', 'layers.0']).embedding.weight).toBe(false);
  expect(decayMask(params, ['embedding', 'layers.0']).layers.map((l) => l.up.weight)).toEqual([false, true]);
  expect(decayMask<{ w: Tensor }>({ w: zeros([2, 2]) })).toEqual({ w: true });
});
