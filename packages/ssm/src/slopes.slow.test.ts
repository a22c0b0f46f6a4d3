import { compile, disposeTree, key, normal, valueAndGrad } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { expect, test } from 'vitest';
import { lru, mamba, mamba2, s4d, s5 } from './index.js';

const [few, many] = [1024, 65_536];
const rounds = 5;

test.each([
  ['mamba', mamba({ dModel: 16 })],
  ['mamba2', mamba2({ dModel: 16, stateDim: 16, headDim: 16 })],
  ['s4d', s4d({ dModel: 16, stateDim: 16 })],
  ['s5', s5({ dModel: 16, stateDim: 16 })],
  ['lru', lru({ dModel: 16, stateDim: 16 })],
] as [string, CausalMixer<Tree, Tree>][])(
  '%s: the time of training grows with T to the 1.15 at most, from 1k to 64k',
  async (name, mixer) => {
    const params = mixer.init(key(0));
    const state = mixer.initState(1);
    const [short, long] = [few, many].map((T) => normal(key(1), [1, T, 16]));
    const gradients = compile((p: Tree, x: Tensor, s: Tree) =>
      valueAndGrad((q: Tree) => mixer.prefill(q, x, s)[0].sum(), p),
    );
    const run = async (x: Tensor, times: number): Promise<number> => {
      const began = performance.now();
      for (let i = 0; i < times; i++) {
        const [loss, grads] = gradients(params, x, state);
        await loss.data();
        disposeTree([loss, grads]);
      }
      return performance.now() - began;
    };
    await run(short, 8);
    await run(long, 1);
    // As many positions in short sequences as in a long one, one after the other, so that both meet the same machine.
    const slopes: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const apart = await run(short, many / few);
      const whole = await run(long, 1);
      slopes.push(1 + Math.log(whole / apart) / Math.log(many / few));
    }
    slopes.sort((a, b) => a - b);
    console.log(`${name}: slopes ${slopes.map((s) => s.toFixed(3)).join(', ')}`);
    expect(slopes[Math.floor(rounds / 2)]).toBeLessThan(1.15);
  },
  300_000,
);
