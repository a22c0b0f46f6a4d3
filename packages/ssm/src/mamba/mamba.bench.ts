import { key, normal } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { test } from 'vitest';
import { mamba } from './mixer.js';
import { selectiveScan } from './op.js';

const mixer = mamba({ dModel: 128 });
const params = mixer.init(key(0));

test('forward of 16 × 64 positions, C = 128', async ({ bench }) => {
  const x = normal(key(1), [16, 64, 128]);
  await bench('forward', async () => {
    using y = mixer.forward(params, x);
    await y.realize();
  }).run();
});

test('one step of 1 row, C = 128', async ({ bench }) => {
  const x = normal(key(2), [1, 128]);
  let state = mixer.initState(1);
  await bench('step', async () => {
    const [y, next] = mixer.step(params, x, state);
    state = next;
    await y.realize();
    y.dispose();
  }).run();
});

test('selective scan of 1024 positions, C = 256, N = 16', async ({ bench }) => {
  const draw = (seed: number, shape: number[]): Tensor => normal(key(seed), shape);
  const [u, delta, A] = [draw(1, [1, 1024, 256]), draw(2, [1, 1024, 256]), draw(3, [256, 16]).abs().neg()];
  const [Bs, Cs] = [draw(4, [1, 1024, 16]), draw(5, [1, 1024, 16])];
  await bench('forward', async () => {
    const [y, h] = selectiveScan(u, delta, A, Bs, Cs, { deltaSoftplus: true });
    await y.realize();
    y.dispose();
    h.dispose();
  }).run();
});
