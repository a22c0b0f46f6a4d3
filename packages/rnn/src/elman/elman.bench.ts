import { compile, disposeTree, key, mul, normal, sum, treeLeaves, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { test } from 'vitest';
import { elman } from './mixer.js';

const mixer = elman({ dModel: 128 });
const params = mixer.init(key(0));

test('16 × 64 positions, C = H = 128', async ({ bench }) => {
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

test('one step of 1 row, C = H = 128', async ({ bench }) => {
  const x = normal(key(3), [1, 128]);
  let state = mixer.initState(1);
  await bench('step', async () => {
    const [y, next] = mixer.step(params, x, state);
    state = next;
    await y.realize();
    y.dispose();
  }).run();
});
