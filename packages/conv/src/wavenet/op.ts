import { scope, ShapeError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/**
 * The gated activation unit: what passes, and how much of it.
 *
 *   y_d = tanh(z_d) σ(z_{D+d})
 *
 * Cost: 3 flops per element of y.
 *
 * @param z  [..., 2D]  filters, then gates
 * @returns  [..., D]
 * @throws ShapeError  a last axis of odd length
 * @see van den Oord et al. 2016, arXiv:1609.03499, eq. 2
 */
export function gatedActivation(z: Tensor): Tensor {
  const axis = z.ndim - 1;
  const n = z.shape[axis];
  if (n === undefined || n % 2 !== 0) {
    throw new ShapeError(
      `gatedActivation: z must be [..., 2D], filters and then gates, got ${show(z.shape)}.`,
    );
  }
  return scope(() =>
    z
      .slice(axis, 0, n / 2)
      .tanh()
      .mul(z.slice(axis, n / 2, n).sigmoid()),
  );
}
