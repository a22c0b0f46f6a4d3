// What flash attention promises on WebGPU beside its values, of each kernel and not only of the one that is chosen.
import type { Device, Tensor } from '@seq/tensor';
import { gpuKernelsOf } from '@seq/tensor/engine';
import type { GpuKernels, GpuVariant, Op } from '@seq/tensor/engine';
import { loadKernels, requestWebGPU } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';
import { flashAttentionOp, flashGradOp } from '../../../packages/flash/src/flash-attention/op.js';
import { errorsOf, exacting, Problem } from '../../../packages/flash/src/flash-attention/testkit.js';

await loadKernels();

type Kernels = GpuKernels<unknown>;

/** Both ops with other variants of their kernels. */
function withVariants(
  change: (variants: readonly GpuVariant<unknown>[]) => readonly GpuVariant<unknown>[],
): Map<Op, Kernels> {
  return new Map(
    [flashAttentionOp as Op, flashGradOp as Op].map((op) => {
      const kernels = gpuKernelsOf(op)!;
      return [op, { ...kernels, variants: change(kernels.variants) }];
    }),
  );
}

describe.each([
  ['16 KiB of workgroup memory', 'tiled'],
  ['none', 'direct'],
])('with %s', (_, name) => {
  // A call that the first variant does not suit goes to the next.
  const kernels = withVariants((all) => all.slice(all.findIndex((variant) => variant.name === name)));
  let device: Promise<Device> | undefined;
  const on = (): Promise<Device> => (device ??= requestWebGPU({ poison: true, assumeGpu: true, kernels }));
  // A workgroup has 64 queries, or 32 lanes of 4; a tile 32 keys at most, which are met by the handful of 2 or 4.
  test.each([
    [31, 33, 7],
    [63, 65, 8],
    [65, 63, 8],
    [127, 129, 7],
  ])('no memory of others is looked at around the borders of tiles: %i queries, %i keys', async (T, S, D) => {
    const problem = new Problem(
      { name: '', sizes: { B: 1, T, S, H: 2, G: 1, D, V: D + 1 }, causal: true },
      T,
    );
    for (const error of await errorsOf(problem, problem.run(await on(), 'f32')))
      expect(error).toBeLessThan(1e-4);
  });

  test('errors are at most twice those of composed operations', async () => {
    const composed = await requestWebGPU({ references: true });
    for (const due of exacting) {
      const problem = new Problem(due, 3);
      const ours = await errorsOf(problem, problem.run(await on(), 'f32'));
      const theirs = await errorsOf(problem, problem.run(composed, 'f32'));
      for (const [i, error] of ours.entries()) expect(error).toBeLessThanOrEqual(2 * theirs[i] + 1e-6);
    }
    composed.dispose();
  });

  test('fifty backward runs give the same bits', async () => {
    const problem = new Problem({ name: '', causal: true, sizes: { B: 1, T: 70, S: 70 } });
    const bits = async (): Promise<Float32Array[]> => {
      const { gradients } = problem.run(await on(), 'f32');
      return Promise.all(Object.values(gradients).map(async (x: Tensor) => (await x.data()) as Float32Array));
    };
    const want = await bits();
    for (let i = 1; i < 50; i++) expect(await bits()).toEqual(want);
  });
});
