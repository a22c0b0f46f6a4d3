import { disposeTree, key, normal, vjp } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { test } from 'vitest';
import { mamba } from './mixer.js';
import { selectiveScan } from './op.js';

const mixer = mamba({ dModel: 128 });
const params = mixer.init(key(0));

test('forward of 16 × 64 positions, C = 128', async ({ bench }) => {
  const x = normal(key(1), [16, 64, 128]);
  await bench('forward', async () => {
    using y = mixer.forward(params, x);
    await y.realize();
  }).run();
});

test('one step of 1 row, C = 128', async ({ bench }) => {
  const x = normal(key(2), [1, 128]);
  let state = mixer.initState(1);
  await bench('step', async () => {
    const [y, next] = mixer.step(params, x, state);
    state = next;
    await y.realize();
    y.dispose();
  }).run();
});

test('selective scan of 1024 positions, C = 256, N = 16', async ({ bench }) => {
  const [T, C, N] = [1024, 256, 16];
  const draw = (seed: number, shape: number[]): Tensor => normal(key(seed), shape);
  const [u, delta, A] = [draw(1, [1, T, C]), draw(2, [1, T, C]), draw(3, [C, N]).abs().neg()];
  const [Bs, Cs, dy] = [draw(4, [1, T, N]), draw(5, [1, T, N]), draw(6, [1, T, C])];
  const scan = (p: { u: Tensor; delta: Tensor; A: Tensor; Bs: Tensor; Cs: Tensor }): [Tensor, Tensor] =>
    selectiveScan(p.u, p.delta, p.A, p.Bs, p.Cs, { deltaSoftplus: true });
  const params = { u, delta, A, Bs, Cs };
  const data = await Promise.all([u, delta, A, Bs, Cs].map((x) => x.data()));
  const [lu, ldelta, lA, lB, lC] = data as Float32Array[];
  await bench.compare(
    bench('forward', async () => {
      const [y, h] = scan(params);
      await y.realize();
      y.dispose();
      h.dispose();
    }),
    bench('a plain loop, forward', () => {
      const h = new Float32Array(C * N);
      const y = new Float32Array(T * C);
      for (let t = 0; t < T; t++) {
        for (let c = 0; c < C; c++) {
          const step = Math.log1p(Math.exp(ldelta[t * C + c]));
          const input = step * lu[t * C + c];
          let sum = 0;
          for (let n = 0; n < N; n++) {
            const i = c * N + n;
            h[i] = Math.exp(step * lA[i]) * h[i] + input * lB[t * N + n];
            sum += lC[t * N + n] * h[i];
          }
          y[t * C + c] = sum;
        }
      }
    }),
    bench('forward and backward', async () => {
      const [y, [grads]] = vjp((p: typeof params) => scan(p)[0], [params], dy);
      await grads.A.realize();
      disposeTree([y, grads]);
    }),
  );
});
