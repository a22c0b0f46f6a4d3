// Flash attention's memory grows with the length, its work with the square of it: read off plans, nothing runs.
import { createCpu, explain, vjp, zeros } from '@seq/tensor';
import type { Device, Plan, Tensor } from '@seq/tensor';
import { flashAttention } from '@seq/flash';
import { createRecording, loadKernels } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

await loadKernels();

/** o and the gradients of T positions, H = 4, D = 64. */
function planOf(device: Device, T: number): Plan {
  const [q, k, v, dO] = Array.from({ length: 4 }, () => zeros([1, T, 4, 64], { device }));
  const both = (q: Tensor, k: Tensor, v: Tensor, dO: Tensor): Tensor[] => {
    const [o, grads] = vjp(
      (...x: Tensor[]) => flashAttention(x[0], x[1], x[2], { causal: true }),
      [q, k, v],
      dO,
    );
    return [o, ...grads];
  };
  return explain(both, q, k, v, dO);
}

describe.each([
  ['CPU', () => createCpu()],
  ['WebGPU', () => createRecording().device],
  ['WebGPU on a program', () => createRecording({ limits: { software: true } }).device],
])('memory on %s', (_, create) => {
  const lengths = [2048, 4096, 8192, 16384];
  const plans = lengths.map((T) => planOf(create(), T));
  const slope = (of: (plan: Plan) => number): number =>
    Math.log(of(plans[3]) / of(plans[0])) / Math.log(lengths[3] / lengths[0]);

  test('forward and backward of 16,384 positions hold 10 % beside inputs, outputs and gradients', () => {
    const plan = plans[3];
    const named = 8 * 4 * 16384 * 4 * 64;
    expect(plan.inputBytes + plan.outputBytes).toBe(named);
    expect(plan.temporaryBytes).toBeGreaterThan(0);
    expect(plan.peakBytes - named).toBeLessThan(0.1 * named);
    // One array of scores would have 4 GiB.
    expect(plan.peakBytes).toBeLessThan(4 * 16384 * 16384);
  });

  test('bytes grow with the length, work with its square', () => {
    expect(slope((plan) => plan.peakBytes)).toBeCloseTo(1, 2);
    expect(slope((plan) => plan.flops)).toBeCloseTo(2, 2);
  });
});
