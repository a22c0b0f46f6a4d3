import { key, normal } from '@seq/tensor';
import { test } from 'vitest';
import { s5 } from './mixer.js';

const mixer = s5({ dModel: 128 });
const params = mixer.init(key(0));

test('forward of 16 × 64 positions, C = 128', async ({ bench }) => {
  const x = normal(key(1), [16, 64, 128]);
  await bench('forward', async () => {
    using y = mixer.forward(params, x);
    await y.realize();
  }).run();
});
