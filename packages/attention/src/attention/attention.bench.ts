import { compile, disposeTree, key, mul, normal, sum, treeLeaves, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { test } from 'vitest';
import { attention } from './mixer.js';

const mixer = attention({ dModel: 128, numHeads: 4 });
const params = mixer.init(key(0));

test('16 × 64 positions, C = 128, H = 4', async ({ bench }) => {
  const x = normal(key(1), [16, 64, 128]);
  const cotangent = normal(key(2), [16, 64, 128]);
  const gradient = compile((p: typeof params, input: Tensor) =>
    valueAndGrad((q: typeof params) => sum(mul(mixer.forward(q, input), cotangent)), p),
  );
  await bench('forward', async () => {
    using y = mixer.forward(params, x);
    await y.realize();
  }).run();
  await bench('forward and backward', async () => {
    const result = gradient(params, x);
    await Promise.all(treeLeaves(result).map((t) => t.realize()));
    disposeTree(result);
  }).run();
});

test('one step of 1 row behind 64 positions, by size of the cache', async ({ bench }) => {
  const prompt = normal(key(3), [1, 64, 128]);
  const x = normal(key(4), [1, 128]);
  for (const maxLength of [128, 1024, 8192]) {
    let [, state] = mixer.prefill(params, prompt, mixer.initState(1, { maxLength }));
    let left = maxLength - 64;
    await bench(`${maxLength} slots`, async () => {
      if (left-- === 0) {
        [, state] = mixer.prefill(params, prompt, mixer.initState(1, { maxLength }));
        left = maxLength - 65;
      }
      const [y, next] = mixer.step(params, x, state);
      state = next;
      await y.realize();
      y.dispose();
    }).run();
  }
});
