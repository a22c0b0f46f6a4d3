import type { HostArray } from '@seq/testing/golden';

/** An array of a shape, filled by index. */
export function fill(shape: readonly number[], f: (i: number) => number): HostArray {
  return { shape, data: Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => f(i)) };
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
