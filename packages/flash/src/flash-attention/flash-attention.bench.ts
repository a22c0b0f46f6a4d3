import { compile, disposeTree, grad, key, normal, treeLeaves } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { test } from 'vitest';
import { flashAttention } from './attention.js';

for (const T of [256, 1024])
  test(`T = ${T}, H = 8, D = 64, causal`, async ({ bench }) => {
    const inputs = [1, 2, 3].map((seed) => normal(key(seed), [1, T, 8, 64]));
    const forward = (x: Tensor[]): Tensor => flashAttention(x[0], x[1], x[2], { causal: true });
    const both = compile((x: Tensor[]) => grad((y: Tensor[]) => forward(y).sum(), x));
    await bench('forward', async () => {
      using y = forward(inputs);
      await y.realize();
    }).run();
    await bench('forward and backward', async () => {
      const grads = both(inputs);
      await Promise.all(treeLeaves(grads).map((t) => t.realize()));
      disposeTree(grads);
    }).run();
  });
