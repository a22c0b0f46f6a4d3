// What the tests of this package share. @seq/testing builds on @seq/nn, so it cannot be used here.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  decodeSafetensors,
  key,
  normal,
  scope,
  tensor,
  treeEntries,
  treeMap,
  valueAndGrad,
} from '@seq/tensor';
import type { DType, Shape, Tensor } from '@seq/tensor';
import { expect } from 'vitest';

/** Normal numbers [shape], f64 unless told otherwise; the same for the same seed. */
export function normals(seed: number, shape: Shape, dtype: DType = 'f64'): Tensor {
  return normal(key(seed), shape, { dtype });
}

/** All elements as numbers. */
export async function numbers(x: Tensor): Promise<number[]> {
  return Array.from(await x.data());
}

/** Asserts shape and elements; the tolerance is relative to the largest element. */
export async function expectClose(
  got: Tensor,
  want: Tensor | ArrayLike<number>,
  tolerance: number,
): Promise<void> {
  const a = await numbers(got);
  const isTensor = 'dtype' in want;
  if (isTensor) expect(got.shape).toEqual(want.shape);
  const b = isTensor ? await numbers(want) : Array.from(want);
  expect(a.length).toBe(b.length);
  const scale = Math.max(1e-300, ...b.map(Math.abs));
  const worst = a.reduce((m, v, i) => Math.max(m, Number.isNaN(v) ? Infinity : Math.abs(v - b[i])), 0);
  expect(worst / scale, `largest difference ${worst}, largest value ${scale}`).toBeLessThanOrEqual(tolerance);
}

/**
 * Asserts that gradients by every float leaf of `inputs` (f64) are the central differences of a fixed
 * random projection of what `f` answers.
 */
export async function checkGradient<T>(
  f: (inputs: T) => Tensor | readonly Tensor[],
  inputs: T,
  { step = 1e-5, tolerance = 1e-7 }: { step?: number; tolerance?: number } = {},
): Promise<void> {
  const loss = (tree: T): Tensor =>
    scope(() => {
      const answer = f(tree);
      const outputs = 'dtype' in answer ? [answer] : answer;
      const parts = outputs.map((y, i) => y.mul(normals(900 + i, y.shape)).sum());
      return parts.reduce((a, b) => a.add(b));
    });
  const [, grads] = valueAndGrad(loss, inputs);
  const slopes = new Map(treeEntries(grads));
  for (const [path, leaf] of treeEntries(inputs)) {
    if (leaf.dtype !== 'f64') continue;
    const values = Float64Array.from(await leaf.data());
    const differences = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const at = async (delta: number): Promise<number> => {
        const moved = values.slice();
        moved[i] += delta;
        const other = tensor(moved, { shape: leaf.shape, device: leaf.device });
        const value = await loss(treeMap((t) => (t === leaf ? other : t), inputs)).item();
        other.dispose();
        return value;
      };
      differences[i] = ((await at(step)) - (await at(-step))) / (2 * step);
    }
    const slope = await numbers(slopes.get(path)!);
    const scale = Math.max(1, ...differences.map(Math.abs));
    slope.forEach((g, i) => {
      expect(
        Math.abs(g - differences[i]) / scale,
        `${path}[${i}]: ${g} against ${differences[i]}`,
      ).toBeLessThanOrEqual(tolerance);
    });
  }
}

/** One case of the golden data: metadata and tensors, floats as f64. */
export interface Golden {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  get(name: string): Tensor;
  has(name: string): boolean;
}

/** The cases of a golden family. */
export function golden(family: string): Golden[] {
  const folder = resolve(import.meta.dirname, '../../../tooling/golden/data', family);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.safetensors'))
    .map((file) => readCase(join(folder, file)));
}

function readCase(file: string): Golden {
  const { tensors, metadata } = decodeSafetensors(readFileSync(file));
  const find = (name: string) => tensors[name];
  return {
    name: metadata['case'],
    options: JSON.parse(metadata['options']) as Record<string, unknown>,
    has: (name) => find(name) !== undefined,
    get(name) {
      const { dtype, shape, data } = find(name);
      const bytes = new Uint8Array(data).buffer; // a Buffer's slice would share its pool
      const values = dtype === 'F64' ? new Float64Array(bytes) : Float64Array.from(new Float32Array(bytes));
      return tensor(values, { shape });
    },
  };
}
