import type { Tensor } from '@seq/tensor';
import { test } from 'vitest';
import { same, sameGrad } from '../testkit.js';
import type { Input } from '../testkit.js';

/** softmax(q kᵀ / √d + mask) v, of operations that know nothing of attention. */
function attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor): Tensor {
  const scores = q.matmul(k.swapAxes(-1, -2)).mul(1 / Math.sqrt(q.shape.at(-1)!));
  return mask.where(scores, -Infinity).softmax().matmul(v);
}

function inputs(B: number, H: number, T: number, d: number, masked: number = -1): Input[] {
  const shape = [B, H, T, d];
  const causal = Array.from({ length: T * T }, (_, i) =>
    Number(i % T <= Math.floor(i / T) && Math.floor(i / T) !== masked),
  );
  return [
    { shape, seed: 1 },
    { shape, seed: 2 },
    { shape, seed: 3 },
    { shape: [T, T], dtype: 'bool', data: causal },
  ];
}

test.each([1, 2, 3, 63, 64, 65, 127])(
  'causal attention of T = %i equals the CPU, forward and backward',
  async (T) => {
    const all = inputs(2, 3, T, 16);
    await same(attention, all, { tolerance: 5e-6 });
    await sameGrad(attention, all, { tolerance: 2e-5 });
  },
);

test('a position that may look at nothing gives zeros and no NaN in gradients', async () => {
  const all = inputs(1, 2, 9, 8, 4);
  await same(attention, all, { tolerance: 5e-6 });
  await sameGrad(attention, all, { tolerance: 2e-5 });
});
