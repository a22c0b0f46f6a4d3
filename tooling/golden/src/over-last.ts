import type { Tensor } from '@seq/tensor';
import type { Inputs } from './adapter.js';

/** Runs a norm of the last axis over the last `axes` ones. */
export function overLast(
  x: Tensor,
  axes: number,
  f: (x: Tensor, flat: (p: Tensor) => Tensor) => Tensor,
): Tensor {
  if (axes === 1) return f(x, (p) => p);
  const lead = x.shape.slice(0, x.ndim - axes);
  return f(x.reshape([...lead, -1]), (p) => p.reshape([-1])).reshape(x.shape);
}

/** A tensor of the case, or undefined. */
export function optional(inputs: Inputs, name: string): Tensor | undefined {
  return inputs.has(name) ? inputs(name) : undefined;
}

/** How many axes are normalised: those of normalized_shape, or of the weight. */
export function axesOf(shape: readonly number[], weight: Tensor | undefined): number {
  return shape.length || weight?.ndim || 1;
}
