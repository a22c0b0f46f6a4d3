import { apply1, defineOp, ones } from '@seq/tensor';
import type { Op } from '@seq/tensor';
import type { GpuKernels } from '@seq/tensor/engine';
import { gpuKernelsOf, lazyKernels } from '@seq/tensor/engine';
import { expect, test } from 'vitest';
import { createRecording, loadKernels } from './index.js';
import { grid, reads, shader, writes } from './wgsl/index.js';

const copyKernels: GpuKernels<null> = {
  variants: [
    {
      name: 'linear',
      supports: () => true,
      plan: ({ inputs: [x] }) => ({
        passes: [
          {
            shader: shader({
              name: 'copy',
              operands: [reads('x', 'f32', 0), writes('y', 'f32', 1)],
              params: { n: 'u32' },
              workgroup: 64,
              main: 'if (linear < p.n) { set_y(linear, x(linear)); }',
            }),
            params: [x.shape[0]],
            workgroups: grid(x.shape[0], 64),
          },
        ],
      }),
    },
  ],
};

/** An op whose kernels come from a module that `load` brings. */
function opOf(name: string, load: () => Promise<{ kernels: GpuKernels<null> }>): Op<null> {
  const gpu = lazyKernels(name, load);
  return defineOp<null>({
    name,
    infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    reference: ([x]) => x.mul(1),
    webgpu: () => gpu().kernels,
  });
}

test('an op that is met before its kernels are loaded says how to load them, at the line that meets it', async () => {
  const later = opOf('later', () => Promise.resolve({ kernels: copyKernels }));
  const { device, recorded } = createRecording();
  const x = ones([8], { device });
  expect(() => apply1(later, [x], null)).toThrow(
    /^later: its WebGPU kernels must be loaded, they are not\. .*await loadKernels\(\)/,
  );
  await loadKernels();
  expect(gpuKernelsOf(later)).toBe(copyKernels);
  const before = recorded.dispatches;
  await apply1(later, [x], null).data();
  expect(recorded.dispatches).toBeGreaterThan(before);
});

test('the CPU and devices of references need no kernels', async () => {
  const never = opOf('never', () => Promise.resolve({ kernels: copyKernels }));
  expect(Array.from(await apply1(never, [ones([2])], null).data())).toEqual([1, 1]);
  const { device } = createRecording({ references: true });
  expect(apply1(never, [ones([2], { device })], null).shape).toEqual([2]);
});

test('a module that does not load is an error of loadKernels, which may be tried again', async () => {
  let there = false;
  const op = opOf('flaky', () =>
    there ? Promise.resolve({ kernels: copyKernels }) : Promise.reject(new TypeError('404 not found')),
  );
  await expect(loadKernels()).rejects.toThrow(
    /^flaky: its WebGPU kernels must load, the platform answered: 404 not found\. Serve all files/,
  );
  expect(() => gpuKernelsOf(op)).toThrow('flaky: its WebGPU kernels must be loaded');
  there = true;
  await loadKernels();
  expect(gpuKernelsOf(op)).toBe(copyKernels);
});
