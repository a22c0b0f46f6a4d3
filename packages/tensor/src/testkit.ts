import { expect } from 'vitest';
import type { CpuDevice, Tensor } from './index.js';
import { cpu, tensor, valueAndGrad } from './index.js';

/** Deterministic numbers in [−1, 1), unrelated to the library's own generator. */
export function numbers(n: number, seed: number = 1): number[] {
  let s = seed * 2654435761;
  return Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) | 0;
    return s / 2 ** 31;
  });
}

/** An f64 tensor of such numbers, mapped by `f`. */
export function sample(
  shape: readonly number[],
  {
    seed = 1,
    map = (v) => v,
    device,
  }: { seed?: number; map?: (v: number) => number; device?: CpuDevice } = {},
): Tensor {
  const n = shape.reduce((p, d) => p * d, 1);
  return tensor(numbers(n, seed).map(map), { shape, dtype: 'f64', device: device ?? cpu() });
}

export async function list(t: Tensor): Promise<number[]> {
  return Array.from(await t.data());
}

/** Fails unless the two lists agree within an absolute and relative tolerance. */
export function expectClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string = '',
): void {
  expect(got.length, `${what} length`).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const w = want[i];
    const g = got[i];
    if (Object.is(g, w) || g === w) continue;
    const error = Math.abs(g - w) / Math.max(1, Math.abs(w));
    expect(error, `${what}[${i}]: got ${g}, want ${w}`).toBeLessThanOrEqual(tolerance);
  }
}

/**
 * Compares gradients of Σ f(inputs) ∘ weights with central differences, and second derivatives of the same with
 * central differences of the gradients. Inputs must be f64 and away from kinks.
 */
export async function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { h = 1e-5, tolerance = 1e-7, second = true }: { h?: number; tolerance?: number; second?: boolean } = {},
): Promise<void> {
  const loss = (xs: readonly Tensor[]): Tensor => {
    const y = f(...xs);
    return y.mul(tensor(numbers(y.size, 77), { shape: y.shape, dtype: 'f64', device: y.device })).sum();
  };
  await compare((xs) => loss(xs), inputs, h, tolerance, 'first');
  if (!second) return;
  const pulled = (xs: readonly Tensor[]): Tensor => {
    const [, grads] = valueAndGrad((ys: readonly Tensor[]) => loss(ys), xs);
    return grads
      .map((g, i) =>
        g.mul(tensor(numbers(g.size, 99 + i), { shape: g.shape, dtype: 'f64', device: g.device })).sum(),
      )
      .reduce((a, b) => a.add(b));
  };
  await compare(pulled, inputs, h, Math.max(tolerance, 1e-6), 'second');
}

async function compare(
  loss: (xs: readonly Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  h: number,
  tolerance: number,
  what: string,
): Promise<void> {
  const [, grads] = valueAndGrad((xs: readonly Tensor[]) => loss(xs), inputs);
  for (let k = 0; k < inputs.length; k++) {
    const base = await list(inputs[k]);
    const got = await list(grads[k]);
    const want = await Promise.all(
      base.map(async (v, i) => {
        const at = async (d: number): Promise<number> => {
          const moved = base.slice();
          moved[i] = v + d;
          const x = tensor(moved, { shape: inputs[k].shape, dtype: 'f64', device: inputs[k].device });
          return loss(inputs.map((y, j) => (j === k ? x : y))).item();
        };
        return ((await at(h)) - (await at(-h))) / (2 * h);
      }),
    );
    expectClose(got, want, tolerance, `${what} derivative by input ${k}`);
  }
}
