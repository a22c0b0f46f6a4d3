import { key, normal } from '@seq/tensor';
import { test } from 'vitest';
import { mamba2 } from './mixer.js';

const mixer = mamba2({ dModel: 128 });
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
