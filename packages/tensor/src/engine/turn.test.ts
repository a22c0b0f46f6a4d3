import { expect, test } from 'vitest';
import { compile, explain } from '../compile.js';
import { grad } from '../grad.js';
import { key } from '../key.js';
import { uniform } from '../ops/random.js';
import type { Tensor } from '../tensor.js';

const draw = (seed: number, shape: number[]): Tensor => uniform(key(seed), shape, { low: -1, high: 1 });

/** A compiled function gives what it gives uncompiled; answers with the names of its kernels. */
async function kernels(f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): Promise<string[]> {
  const [got, want] = [await compile(f)(...xs).data(), await f(...xs).data()];
  want.forEach((v, i) => expect(Math.abs(got[i] - v)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(v))));
  return explain(f, ...xs).kernels.map((k) => k.op);
}

test('a product that is read transposed is computed transposed', async () => {
  const [x, w] = [draw(1, [6, 4]), draw(2, [5, 4])];
  // The gradient of x wᵀ by w has the layout of w.
  const byWeight = (t: Tensor, u: Tensor): Tensor =>
    grad((v: Tensor) => t.matmul(v.transpose()).square().sum(), u);
  expect(await kernels(byWeight, x, w)).not.toContain('contiguous');
  const heads = (a: Tensor, b: Tensor): Tensor =>
    a.matmul(b).reshape([2, 3, 4, 5]).transpose([0, 3, 1, 2]).contiguous();
  await kernels(heads, draw(3, [6, 4, 7]), draw(4, [6, 7, 5]));
});

test('a part of a transposed product, and views of views', async () => {
  const f = (a: Tensor, b: Tensor): Tensor => a.matmul(b).transpose().slice(0, 1, 4).slice(1, 2, 5).exp();
  await kernels(f, draw(5, [6, 4]), draw(6, [4, 5]));
  const twice = (a: Tensor, b: Tensor): Tensor => {
    const y = a.matmul(b).transpose();
    return y.matmul(a).transpose().add(1);
  };
  await kernels(twice, draw(7, [6, 4]), draw(8, [4, 5]));
});

test('a product that someone reads along its rows stays as it is', async () => {
  const f = (a: Tensor, b: Tensor): Tensor => {
    const y = a.matmul(b);
    return y.transpose().contiguous().sum().add(y.softmax(-1).square().sum());
  };
  expect(await kernels(f, draw(9, [6, 4]), draw(10, [4, 5]))).toContain('contiguous');
});

test('axes that cross rows are left alone', async () => {
  const f = (a: Tensor, b: Tensor): Tensor => a.matmul(b).reshape([3, 10]).transpose().contiguous();
  await kernels(f, draw(11, [6, 4]), draw(12, [4, 5]));
});
