import { createCpu } from '@seq/tensor';
import type { Device, DType, Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { flashAttentionNaive } from './naive.js';
import { cases, Problem, references } from './testkit.js';

/** |got − want| ≤ tolerance · (1 + largest |want|), and the same infinities. */
async function close(got: Tensor, want: ArrayLike<number>, tolerance: number, what: string): Promise<void> {
  const data = await got.data();
  expect(data.length, what).toBe(want.length);
  let largest = 0;
  for (let i = 0; i < want.length; i++)
    if (Number.isFinite(want[i])) largest = Math.max(largest, Math.abs(want[i]));
  for (let i = 0; i < want.length; i++) {
    if (data[i] === want[i]) continue;
    if (!(Math.abs(data[i] - want[i]) <= tolerance * (1 + largest)))
      expect.fail(`${what}: element ${i} of [${got.shape.join(', ')}] must be ${want[i]}, got ${data[i]}`);
  }
}

async function agrees(problem: Problem, device: Device, dtype: DType, tolerance: number): Promise<void> {
  const { o, lse } = flashAttentionNaive(await problem.naive());
  const { outputs, gradients } = problem.run(device, dtype);
  await close(outputs[0], o, tolerance, 'o');
  await close(outputs[1], lse, tolerance, 'lse');
  const want = problem.run(references, 'f64');
  for (const [name, gradient] of Object.entries(want.gradients))
    await close(gradients[name], await gradient.data(), tolerance, `gradient by ${name}`);
}

describe('flash attention is what its definition says, and so are its gradients', () => {
  const cpu = createCpu({ poison: true });
  const plain = createCpu({ wasm: 'plain', poison: true });
  const places: [string, () => Promise<Device>, DType, number][] = [
    ['composite in f64', () => Promise.resolve(references), 'f64', 1e-12],
    ['CPU in f64', () => Promise.resolve(cpu), 'f64', 1e-12],
    ['CPU in f32', () => Promise.resolve(cpu), 'f32', 1e-5],
    ['CPU without relaxed SIMD, in f32', () => Promise.resolve(plain), 'f32', 1e-5],
  ];
  test('one build has no relaxed SIMD', () => expect(plain.build).toBe('plain'));
  describe.each(places)('%s', (_, device, dtype, tolerance) => {
    test.each(cases.map((what, seed) => [what.name, what, seed] as const))('%s', async (_, what, seed) => {
      await agrees(new Problem(what, seed), await device(), dtype, tolerance);
    });
  });
});
