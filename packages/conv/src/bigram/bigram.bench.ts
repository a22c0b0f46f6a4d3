import { key, normal } from '@seq/tensor';
import { test } from 'vitest';
import { bigram } from './mixer.js';

const mixer = bigram({ dModel: 96 });
const params = mixer.init(key(0));
const run = { iterations: 5, time: 500, warmupIterations: 2, warmupTime: 100 };

test('forward of 8 × 128 positions, C = 96', async ({ bench }) => {
  const x = normal(key(1), [8, 128, 96]);
  await bench('forward', async () => {
    using y = mixer.forward(params, x);
    await y.realize();
  }).run(run);
});

test('one step of 8 rows, C = 96', async ({ bench }) => {
  const x = normal(key(2), [8, 96]);
  await bench('step', async () => {
    const [y] = mixer.step(params, x, mixer.initState(8));
    await y.realize();
    y.dispose();
  }).run(run);
});
