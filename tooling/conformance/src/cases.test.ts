import { layerNorm, layerNormOp } from '@seq/nn';
import { tensor } from '@seq/tensor';
import { gpuKernelsOf } from '@seq/tensor/engine';
import type { GpuKernels } from '@seq/tensor/engine';
import { optimizerCases } from '@seq/train';
import { loadKernels, requestWebGPU, verify } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';

test('a kernel of a layer that is wrong on an adapter is found and used no more', async () => {
  await loadKernels();
  const right = gpuKernelsOf(layerNormOp)!;
  // What a faulty compiler might make of the first variant: another ε.
  const [first, ...others] = right.variants;
  const wrong: GpuKernels<unknown> = {
    ...right,
    variants: [
      {
        ...first,
        plan: (call, limits) =>
          first.plan({ ...call, attrs: { ...(call.attrs as object), eps: 0.5 } }, limits),
      },
      ...others,
    ],
  };
  const device = await requestWebGPU({ kernels: new Map([[layerNormOp, wrong]]) });
  const x = tensor([1, 2, 3, 5], { device }).reshape([1, 4]);
  const before = await layerNorm(x).data();
  const report = await verify(device, { only: true, cases: [{ run: (s) => layerNorm(s.floats([3, 64])) }] });
  const { variant, fault, demoted } = report.verdicts.find((v) => v.fault !== null)!;
  expect([report.ok, variant, demoted]).toEqual([false, first.name, true]);
  expect(fault).toMatch(/element \d+ is .*, the CPU has/);
  const after = await layerNorm(x).data();
  const reference = await layerNorm(tensor([1, 2, 3, 5]).reshape([1, 4])).data();
  expect(Math.abs(before[0] - reference[0])).toBeGreaterThan(0.01);
  after.forEach((v, i) => expect(v).toBeCloseTo(reference[i], 5));
  device.dispose();
});

test.each([false, true])('the kernels of optimisers agree with the CPU; at the floor: %s', async (floor) => {
  const device = await requestWebGPU({ floor, poison: floor });
  const report = await verify(device, { only: true, cases: optimizerCases() });
  expect(String(report)).toContain('all agree with the CPU');
  const names = report.verdicts.filter((v) => v.cases > 0).map((v) => `${v.op}/${v.variant}`);
  expect(names).toEqual(expect.arrayContaining(['adam/together', 'adam/apart']));
  expect(names.some((name) => name.startsWith('sumSquares/'))).toBe(true);
  device.dispose();
});
