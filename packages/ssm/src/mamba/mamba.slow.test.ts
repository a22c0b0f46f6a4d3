import { compile, createCpu, key, normal } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { mamba } from './mixer.js';
import type { MambaState } from './mixer.js';

test('a million generated steps: memory stays where it is, a step takes no longer', async () => {
  const device = createCpu();
  const mixer = mamba({ dModel: 4, stateDim: 4 });
  const params = mixer.init(key(0, { device }), { device });
  const step = compile((p: typeof params, x: Tensor, s: MambaState) => mixer.step(p, x, s), { donate: [2] });
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
  expect(new Set(bytes).size).toBe(1);
  const middle = [...seconds].sort((a, b) => a - b)[blocks / 2];
  const late = [...seconds.slice(blocks / 2)].sort((a, b) => a - b)[blocks / 4];
  expect(late / middle).toBeLessThan(1.25);
  expect(await x.abs().max().item()).toBeLessThan(1e6);
}, 600_000);
