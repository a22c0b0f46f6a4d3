import { key, normal } from '@seq/tensor';
import { test } from 'vitest';
import { nadarayaWatson } from './op.js';

test('1,000 places among 1,000 points of a plane', async ({ bench }) => {
  const [x, points, values] = [1, 2, 3].map((seed) => normal(key(seed), [1000, 2]));
  for (const [kernel, bandwidth] of [
    ['gaussian', 0.3],
    ['epanechnikov', 0.6],
    ['nearest', 10],
  ] as const)
    await bench(kernel, async () => {
      using y = nadarayaWatson(x, points, values, { kernel, bandwidth });
      await y.realize();
    }).run();
});
