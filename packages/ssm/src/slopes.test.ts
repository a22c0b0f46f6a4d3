import { explain, key, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { growsLinearly } from '@seq/testing';
import { expect, test } from 'vitest';
import { lru, mamba, mamba2, s4d, s5 } from './index.js';

for (const mixer of [
  mamba({ dModel: 8 }),
  mamba2({ dModel: 8, stateDim: 8, headDim: 8 }),
  s4d({ dModel: 8, stateDim: 8 }),
  s5({ dModel: 8, stateDim: 8 }),
  lru({ dModel: 8, stateDim: 8 }),
])
  growsLinearly(mixer);

test('the convolution of s4d: memory in proportion to T, work to T log T', () => {
  const lengths = [1024, 65_536];
  const mixer = s4d({ dModel: 8, stateDim: 8 });
  const params = mixer.init(key(0));
  const [short, long] = lengths.map((T) =>
    explain((p: typeof params, x: Tensor) => mixer.forward(p, x), params, zeros([1, T, 8])),
  );
  const exponent = (growth: number): number => Math.log(growth) / Math.log(lengths[1] / lengths[0]);
  expect(Math.abs(exponent(long.peakBytes / short.peakBytes) - 1)).toBeLessThan(0.02);
  expect(exponent((long.flops / short.flops) * (10 / 16))).toBeLessThan(1.02);
});
