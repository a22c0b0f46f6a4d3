import { key, mul, normal, sum, valueAndGrad } from '@seq/tensor';
import { test } from 'vitest';
import * as kernel from './kernel.js';
import * as parallel from './parallel.js';
import * as step from './step.js';

const x = normal(key(1), [8, 128, 64]);

for (const [name, { gammaMemory }] of Object.entries({ step, parallel, kernel })) {
  const mixer = gammaMemory({ dModel: 64 });
  const params = mixer.init(key(0));
  test(`loss and gradients of 8 × 128 positions, C = 64, N = 4: ${name}`, async ({ bench }) => {
    await bench(name, async () => {
      const [loss, grads] = valueAndGrad((p: typeof params) => {
        const y = mixer.forward(p, x);
        return sum(mul(y, y));
      }, params);
      await Promise.all([loss, grads.logitRate, grads.out.weight].map((t) => t.realize()));
    }).run();
  });
}
