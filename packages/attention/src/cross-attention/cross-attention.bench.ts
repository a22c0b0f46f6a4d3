import { key, normal } from '@seq/tensor';
import { test } from 'vitest';
import { crossAttention } from './mixer.js';

const mixer = crossAttention({ dModel: 128, numHeads: 4 });
const params = mixer.init(key(0));

test('16 × 64 positions before 64 of context, C = 128, H = 4', async ({ bench }) => {
  const x = normal(key(1), [16, 64, 128]);
  const context = normal(key(2), [16, 64, 128]);
  const keys = mixer.keys(params, context);
  await bench('forward', async () => {
    using y = mixer.forward(params, x, { context });
    await y.realize();
  }).run();
  await bench('forward, keys there', async () => {
    using y = mixer.look(params, x, keys);
    await y.realize();
  }).run();
});
