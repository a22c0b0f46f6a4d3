import { disposeTree, key, normal, treeLeaves, valueAndGrad } from '@seq/tensor';
import { test } from 'vitest';
import { wavenet } from './mixer.js';

// C = 64, W = 2, dilations 1 … 32: a receptive field of 65.
const mixer = wavenet({ dModel: 64, convWidth: 2, dilations: [1, 2, 4, 8, 16, 32] });
const params = mixer.init(key(0));
const run = { iterations: 5, time: 500, warmupIterations: 2, warmupTime: 100 };

test('8 × 128 positions', async ({ bench }) => {
  const x = normal(key(1), [8, 128, 64]);
  await bench.compare(
    bench('forward', async () => {
      using y = mixer.forward(params, x);
      await y.realize();
    }),
    bench('forward with its gradient', async () => {
      const results = valueAndGrad((p: typeof params) => mixer.forward(p, x).square().mean(), params);
      await Promise.all(treeLeaves(results).map((t) => t.realize()));
      disposeTree(results);
    }),
    run,
  );
});

test('one step of 8 rows', async ({ bench }) => {
  const x = normal(key(2), [8, 64]);
  let state = mixer.initState(8);
  await bench('step', async () => {
    const [y, next] = mixer.step(params, x, state);
    state = next;
    await y.realize();
    y.dispose();
  }).run(run);
});
