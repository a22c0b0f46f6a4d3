// Whether flash attention on a device agrees with its composite in f64.
import type { Device, Tensor } from '@seq/tensor';
import { expect } from 'vitest';
import { references } from '../../../packages/flash/src/flash-attention/testkit.js';
import type { Problem } from '../../../packages/flash/src/flash-attention/testkit.js';

/** Relative to 1 + the largest result; infinities, of rows without keys, must be the same. */
const tolerance = 1e-5;

async function close(got: Tensor, want: Tensor, what: string): Promise<void> {
  const [data, right] = [await got.data(), await want.data()];
  let largest = 0;
  for (const x of right) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  expect(data.length, what).toBe(right.length);
  for (let i = 0; i < right.length; i++) {
    if (data[i] === right[i]) continue;
    if (!(Math.abs(data[i] - right[i]) <= tolerance * (1 + largest)))
      expect.fail(`${what}: element ${i} of [${got.shape.join(', ')}] must be ${right[i]}, got ${data[i]}`);
  }
}

/** Values and every gradient of a problem. */
export async function agrees(problem: Problem, device: Device): Promise<void> {
  const [got, want] = [problem.run(device, 'f32'), problem.run(references, 'f64')];
  await close(got.outputs[0], want.outputs[0], 'o');
  await close(got.outputs[1], want.outputs[1], 'lse');
  expect(Object.keys(got.gradients)).toEqual(Object.keys(want.gradients));
  for (const [name, gradient] of Object.entries(want.gradients))
    await close(got.gradients[name], gradient, `gradient by ${name}`);
}
