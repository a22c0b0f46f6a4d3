import { add, mul, rsqrt, square, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** x / √(Σ x² + eps) over the last axis. */
export function unitLength(x: Tensor, eps = 1e-6): Tensor {
  return mul(x, rsqrt(add(sum(square(x), -1, { keepDims: true }), eps)));
}
