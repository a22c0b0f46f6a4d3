// The kernels of flash attention for programs on the CPU with subgroups of four, which large calls take, on small ones.
import type { Device } from '@seq/tensor';
import type { GpuCall, GpuKernels, GpuLimits, GpuPlan } from '@seq/tensor/engine';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { afterAll, describe, expect, test } from 'vitest';
import { backwardKernels } from '../../../packages/flash/src/flash-attention/gpu-backward.js';
import { forwardKernels } from '../../../packages/flash/src/flash-attention/gpu.js';
import { cases, Problem } from '../../../packages/flash/src/flash-attention/testkit.js';
import { agrees } from './flash-agrees.js';

const device: Device = await requestWebGPU({ poison: true });

/** Why the variant would leave a small call to others. */
const small: readonly unknown[] = ['products are few', 'key heads are fewer than cores'];

/** The variant takes all calls that it can compute, however small; answers with how often it did. */
function taking<A>({ variants }: GpuKernels<A>): () => number {
  const lanes = variants.find((v) => v.name === 'lanes')!;
  const { supports, plan } = lanes;
  let taken = 0;
  Object.assign(lanes, {
    supports(call: GpuCall<A>, limits: GpuLimits): true | string {
      const answer = supports(call, limits);
      return small.includes(answer) || answer;
    },
    plan(call: GpuCall<A>, limits: GpuLimits): GpuPlan {
      taken++;
      return plan(call, limits);
    },
  });
  afterAll(() => void Object.assign(lanes, { supports, plan }));
  return () => taken;
}

const { limits } = device as unknown as { limits: GpuLimits };
const four = limits.software && limits.subgroupSize === 4;

// Elsewhere no call ever takes these kernels.
describe.runIf(four)('subgroups of four', () => {
  const forward = taking(forwardKernels);
  const backward = taking(backwardKernels);

  const due = cases.map((what, seed) => [what.name, what, seed] as const);
  test.each(due)('%s', async (_, what, seed) => agrees(new Problem(what, seed), device));

  // 32 queries meet 256 keys forward, 64 meet 128 backward, 16 sums at once; sixteen tiles serve all blocks forward.
  const [B, D, V] = [1, 8, 8];
  test.each([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257])(
    'borders of tiles: %i positions',
    async (n) => {
      await agrees(
        new Problem({ name: '', causal: true, sizes: { B, T: n, S: n, H: 2, G: 2, D, V } }),
        device,
      );
      await agrees(new Problem({ name: '', sizes: { B, T: 5, S: n, H: 4, G: 2, D, V } }), device);
    },
  );

  test('several tiles of keys, more blocks than tiles', async () => {
    const sizes = { B: 2, T: 300, S: 530, H: 4, G: 2, D, V };
    await agrees(new Problem({ name: '', causal: true, sizes }), device);
    await agrees(new Problem({ name: '', windowSize: 270, sizes }), device);
  });

  test('the same bits every time', async () => {
    const problem = new Problem({ name: '', causal: true, sizes: { B, T: 77, S: 77, H: 4, G: 2, D, V } });
    const bits = async (): Promise<number[]> => {
      const { outputs, gradients } = problem.run(device, 'f32');
      const data = await Promise.all([...outputs, ...Object.values(gradients)].map((x) => x.data()));
      return data.flatMap((x) => [...new Uint32Array((x as Float32Array<ArrayBuffer>).slice().buffer)]);
    };
    const first = await bits();
    for (let i = 0; i < 20; i++) expect(await bits()).toEqual(first);
  });

  test('took calls, forward and backward', () => {
    expect(forward()).toBeGreaterThan(0);
    expect(backward()).toBeGreaterThan(0);
  });
});
