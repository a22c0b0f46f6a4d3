import { explain, key, treeLeaves, valueAndGrad, zeros } from '@seq/tensor';
import type { Plan, Tensor, Tree } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { expect, test } from 'vitest';
import { lru, mamba, mamba2, s4d, s5 } from './index.js';

const lengths = [1024, 65_536] as const;

/** The exponent of T that two values show. */
const slope = ([few, many]: readonly number[]): number =>
  Math.log(many / few) / Math.log(lengths[1] / lengths[0]);

const mixers = [
  ['mamba', mamba({ dModel: 8 })],
  ['mamba2', mamba2({ dModel: 8, stateDim: 8, headDim: 8 })],
  ['s4d', s4d({ dModel: 8, stateDim: 8 })],
  ['s5', s5({ dModel: 8, stateDim: 8 })],
  ['lru', lru({ dModel: 8, stateDim: 8 })],
] as [string, CausalMixer<Tree, Tree>][];

/** The plan of all gradients of a mixer over T positions from a state. */
function training(mixer: CausalMixer<Tree, Tree>, T: number): Plan {
  return explain(
    (p: Tree, x: Tensor, s: Tree) =>
      valueAndGrad((q: Tree) => {
        const [y, last] = mixer.prefill(q, x, s);
        return [y.sum(), last] as [Tensor, Tree];
      }, p)[1],
    mixer.init(key(0)),
    zeros([1, T, 8]),
    mixer.initState(1),
  );
}

test.each(mixers)('%s: work and memory of training are in proportion to T from 1k to 64k', (_, mixer) => {
  const plans = lengths.map((T) => training(mixer, T));
  expect(Math.abs(slope(plans.map(({ flops }) => flops)) - 1)).toBeLessThan(0.02);
  expect(Math.abs(slope(plans.map(({ peakBytes }) => peakBytes)) - 1)).toBeLessThan(0.02);
  expect(new Set(plans.map((plan) => plan.kernels.length)).size).toBe(1);
});

test('the convolution of s4d: memory in proportion to T, work to T log T', () => {
  const mixer = s4d({ dModel: 8, stateDim: 8 });
  const params = mixer.init(key(0));
  const plans = lengths.map((T) =>
    explain((p: typeof params, x: Tensor) => mixer.forward(p, x), params, zeros([1, T, 8])),
  );
  expect(Math.abs(slope(plans.map(({ peakBytes }) => peakBytes)) - 1)).toBeLessThan(0.02);
  expect(slope(plans.map(({ flops }, i) => flops / Math.log2(lengths[i])))).toBeLessThan(1.02);
});

test.each(mixers)('%s: a step costs the same after any number of positions', (_, mixer) => {
  const [few, many] = lengths.map((past) => mixer.cost({ B: 1, T: 1, form: 'step', past }));
  expect(many).toEqual(few);
  const sizes = (state: Tree): unknown[] => treeLeaves(state).map(({ shape }) => shape);
  const state = mixer.initState(1);
  const [, next] = mixer.step(mixer.init(key(0)), zeros([1, 8]), state);
  expect(sizes(next)).toEqual(sizes(state));
});
