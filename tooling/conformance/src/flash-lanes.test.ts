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

  /** Compiling is what takes time: each option once. */
  const some = [
    'causal over blocks',
    'a window both ways',
    'a bias per query',
    'no keys',
    'dropout',
    'packed sequences',
    'a mask that hides rows',
  ];
  const due = cases.map((what, seed) => [what.name, what, seed] as const);
  test.each(due.filter(([name]) => some.includes(name)))('%s', async (_, what, seed) =>
    agrees(new Problem(what, seed), device),
  );

  test('took calls, forward and backward', () => {
    expect(forward()).toBeGreaterThan(0);
    expect(backward()).toBeGreaterThan(0);
  });
});
