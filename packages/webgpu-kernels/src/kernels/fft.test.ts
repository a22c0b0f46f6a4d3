import type { Tensor } from '@seq/tensor';
import { apply, concat, fftConv, irfft, rfft } from '@seq/tensor';
import { fftOp } from '@seq/tensor/engine';
import { describe, test } from 'vitest';
import { floorTestDevice, same, sameGrad } from '../testkit.js';
import { variantOf } from '../testkit-variants.js';

/** Both parts side by side. */
const joined = (parts: Tensor | readonly Tensor[]): Tensor => concat(parts as Tensor[], 0);

describe('fft', () => {
  for (const [name, software] of [
    ['tile', false],
    ['passes', true],
  ] as const) {
    test(`${name}: lengths, rows, directions`, async () => {
      const way = variantOf(fftOp, name, { software });
      const lengths = name === 'tile' ? [16, 32, 128] : [1, 2, 3, 5, 6, 16, 60, 75, 128, 4096];
      for (const N of lengths) {
        for (const inverse of [false, true]) {
          const shape = [N > 100 ? 2 : 5, N];
          const attrs = { inverse, scale: 1 / Math.sqrt(N) };
          await same((re, im) => joined(apply(way, [re, im], attrs)), [{ shape }, { shape, seed: 2 }], {
            tolerance: 2e-6,
          });
        }
      }
      if (name === 'tile')
        await same(
          (re, im) => joined(apply(way, [re, im], { inverse: false, scale: 1 })),
          [{ shape: [2, 2048] }, { shape: [2, 2048], seed: 2 }],
          { tolerance: 2e-5 },
        );
    });
  }

  test('real numbers, convolutions of any length, gradients, on the floor too', async () => {
    for (const N of [7, 30, 64]) {
      await same((x) => irfft({ re: rfft(x).re.square(), im: rfft(x).im }, N), [{ shape: [3, N] }], {
        tolerance: 3e-6,
      });
    }
    const inputs = [{ shape: [2, 37, 3] }, { shape: [3, 20], seed: 2 }];
    await sameGrad(fftConv, inputs, { tolerance: 3e-6 });
    await same(fftConv, inputs, { device: await floorTestDevice(), tolerance: 3e-6 });
    await same(fftConv, [{ shape: [0, 5, 2] }, { shape: [2, 3] }]);
  });
});
