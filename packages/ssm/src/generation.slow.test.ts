import { compile, createCpu, key, normal } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { expect, test } from 'vitest';
import { mamba, mamba2 } from './index.js';

test.each([
  ['mamba', mamba({ dModel: 4, stateDim: 4 })],
  ['mamba2', mamba2({ dModel: 4, stateDim: 4, headDim: 4 })],
] as [string, CausalMixer<Tree, Tree>][])(
  '%s: a million generated steps: memory stays where it is, a step takes no longer',
  async (name, mixer) => {
    const device = createCpu();
    const params = mixer.init(key(0, { device }), { device });
    const step = compile((p: Tree, x: Tensor, s: Tree) => mixer.step(p, x, s), { donate: [2] });
    let x = normal(key(1, { device }), [1, 4]);
    let state = mixer.initState(1, { device });
    const [blocks, length] = [20, 50_000];
    const seconds: number[] = [];
    const bytes: number[] = [];
    for (let i = 0; i < blocks; i++) {
      const began = performance.now();
      for (let t = 0; t < length; t++) {
        const [y, next] = step(params, x, state);
        x.dispose();
        [x, state] = [y, next];
        if (t % 1000 === 0) await x.realize();
      }
      await x.realize();
      seconds.push((performance.now() - began) / 1000);
      bytes.push(device.memory().bytes);
    }
    console.log(
      `${name}: ${bytes[0]} bytes, seconds for each 50,000 steps: ${seconds.map((s) => s.toFixed(2)).join(', ')}`,
    );
    expect(new Set(bytes).size).toBe(1);
    const middle = [...seconds].sort((a, b) => a - b)[blocks / 2];
    const late = [...seconds.slice(blocks / 2)].sort((a, b) => a - b)[blocks / 4];
    expect(late / middle).toBeLessThan(1.25);
    expect(await x.abs().max().item()).toBeLessThan(1e6);
  },
  600_000,
);
