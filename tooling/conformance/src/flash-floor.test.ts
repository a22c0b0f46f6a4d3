// Every shader of flash attention fits the weakest WebGPU device: read off plans, nothing runs.
import { gpuKernelsOf } from '@seq/tensor/engine';
import type { GpuKernels, GpuPass, Op } from '@seq/tensor/engine';
import { createRecording, floorLimits, loadKernels } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';
import { flashAttentionOp, flashGradOp } from '../../../packages/flash/src/flash-attention/op.js';
import { cases, Problem } from '../../../packages/flash/src/flash-attention/testkit.js';
import { workgroupBytes } from '../../../packages/webgpu-kernels/src/wgsl/join.js';

await loadKernels();

/** Both ops, whose plans are noted by the name of their variant. */
function watched(seen: Map<string, GpuPass[]>): Map<Op, GpuKernels<unknown>> {
  return new Map(
    [flashAttentionOp as Op, flashGradOp as Op].map((op) => {
      const kernels = gpuKernelsOf(op)!;
      const variants = kernels.variants.map((variant): (typeof kernels.variants)[number] => ({
        ...variant,
        plan(call, limits) {
          const plan = variant.plan(call, limits);
          seen.set(variant.name, [...(seen.get(variant.name) ?? []), ...plan.passes]);
          return plan;
        },
      }));
      return [op, { ...kernels, variants }];
    }),
  );
}

test.each([true, false])('every shader runs at the floor of WebGPU, on a program: %s', (software) => {
  const seen = new Map<string, GpuPass[]>();
  const limits = { ...floorLimits, software };
  const { device } = createRecording({ limits, kernels: watched(seen) });
  const wide = { name: '', sizes: { B: 1, T: 40, S: 40, H: 1, G: 1, D: 128, V: 128 } };
  const long = { name: '', sizes: { B: 1, T: 1, S: 5000, H: 2, G: 1 } };
  for (const what of [...cases, wide, long]) {
    new Problem(what).run(device, 'f32');
    device.flush();
  }
  expect([...seen.keys()].toSorted()).toEqual(['direct', 'split', ...(software ? [] : ['tiled'])]);
  for (const [name, passes] of seen)
    for (const { shader, workgroups } of passes) {
      const [x, y, z] = shader.parts!.workgroup;
      expect(shader.bindings.length).toBeLessThanOrEqual(limits.storageBuffers);
      expect(x * y * z).toBeLessThanOrEqual(limits.invocations);
      expect(workgroupBytes(shader.parts!)).toBeLessThanOrEqual(name === 'tiled' ? 16_384 : 0);
      expect(Math.max(...workgroups)).toBeLessThanOrEqual(limits.workgroups);
      if (software) expect(shader.code).not.toContain('Barrier');
    }
});
