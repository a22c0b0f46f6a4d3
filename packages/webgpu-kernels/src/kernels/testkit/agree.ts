import type { Tensor } from '@seq/tensor';
import type { Op } from '@seq/tensor/engine';
import { expect, vi } from 'vitest';
import type { WebGPUDevice } from '../../device.js';
import { same, sameGrad } from '../../testkit.js';
import { tensorKernels } from '../index.js';
import { row } from './grid.js';
import type { Sized } from './sizes.js';
import { together, uses } from './sizes.js';

/** Around vectors, workgroups and tiles; primes; enough for grids of several rows. */
const awkward = [
  [1, 2, 3, 61, 63, 64, 65, 127],
  [1000, 1009, 5003],
];

/** Every op that has kernels, with its name. */
export const everyOp: readonly (readonly [string, Op])[] = [...tensorKernels().keys()].map(
  (op) => [op.name, op] as const,
);

/** Values, and gradients where there are any, equal those of the CPU; the op is among what ran, on grids of short rows. */
async function agrees(op: Op, device: WebGPUDevice, { f, inputs, ...how }: Sized): Promise<void> {
  const choose = vi.spyOn(device.chooser, 'choose');
  let float = false;
  const watched = (...xs: Tensor[]): Tensor[] => {
    const results: Tensor[] = [f(...xs)].flat();
    float = results.some(({ dtype }) => dtype === 'f32' || dtype === 'f64');
    return results;
  };
  try {
    await same(watched, inputs, { ...how, device });
    if (op.vjp !== undefined && float && inputs.some(({ dtype = 'f32' }) => dtype === 'f32'))
      await sameGrad(f, inputs, { ...how, tolerance: how.gradient!, device });
    expect(choose.mock.calls.map(([{ name }]) => name)).toContain(op.name);
    for (const { value } of choose.mock.results) {
      const { plan } = value as ReturnType<typeof device.chooser.choose>;
      for (const { shader, workgroups } of plan.passes)
        expect(workgroups[0], `workgroups of ${shader.name} in one row`).toBeLessThanOrEqual(row);
    }
  } finally {
    choose.mockRestore();
  }
}

/** The same for an op at all awkward sizes. */
export async function agreesAtEverySize(op: Op, device: WebGPUDevice): Promise<void> {
  for (const sizes of awkward) {
    const list = sizes.map((n) => uses.get(op)!(n));
    try {
      await agrees(op, device, together(list));
    } catch (error) {
      // Which size it is shows when each is alone.
      for (const [i, use] of list.entries())
        await agrees(op, device, together([use])).catch((cause: unknown) => {
          throw new Error(`at ${sizes[i]}: ${(cause as Error).message}`, { cause: error });
        });
      throw error;
    }
  }
}
