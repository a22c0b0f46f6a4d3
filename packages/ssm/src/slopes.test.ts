import { explain, key, valueAndGrad, zeros } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { expect, test } from 'vitest';
import { lru, mamba, mamba2, s4d, s5 } from './index.js';

/** Exponent of T in the growth from 512 to 2048 positions. */
const slope = (few: number, many: number): number => Math.log(many / few) / Math.log(4);

test.each([
  ['mamba', mamba({ dModel: 16 })],
  ['mamba2', mamba2({ dModel: 16, stateDim: 16, headDim: 16 })],
  ['s4d', s4d({ dModel: 16, stateDim: 16 })],
  ['s5', s5({ dModel: 16 })],
  ['lru', lru({ dModel: 16 })],
] as [string, CausalMixer<Tree, Tree>][])('%s: training grows with T, generation does not', (_, mixer) => {
  const params = mixer.init(key(0));
  const training = [512, 2048].map((T) =>
    explain(
      (p: Tree, x: Tensor) => valueAndGrad((q: Tree) => mixer.forward(q, x).sum(), p)[1],
      params,
      zeros([1, T, 16]),
    ),
  );
  // Fourier transforms add a logarithm to work.
  expect(slope(training[0].peakBytes, training[1].peakBytes)).toBeGreaterThan(0.85);
  expect(slope(training[0].peakBytes, training[1].peakBytes)).toBeLessThan(1.05);
  expect(slope(training[0].flops, training[1].flops)).toBeGreaterThan(0.85);
  expect(slope(training[0].flops, training[1].flops)).toBeLessThan(1.15);
  const states = [512, 2048].map((past) => mixer.cost({ B: 1, T: 1, form: 'step', past }));
  expect(states[0]).toEqual(states[1]);
});
