import { expandDims, mul, neg, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/**
 * The delta rule: what a key points to is moved towards a value, by a fraction β.
 *
 *   S_t = S_{t−1} + β_t k_t (v_t − S_{t−1}ᵀ k_t)ᵀ = (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * Stable for ‖k‖ = 1 and 0 ≤ β ≤ 2; beyond 1 the sign of what was stored turns.
 *
 * @param q        [B, T, H, K]  queries
 * @param k        [B, T, H, K]  keys, of unit length
 * @param v        [B, T, H, V]
 * @param beta     [B, T, H]     0 leaves the memory as it was, 1 replaces
 * @param options  initial [B, H, K, V], scale, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Schlag et al. 2021, arXiv:2102.11174, eq. 25; Yang et al. 2024, arXiv:2406.06484, section 2.2
 */
export function deltaScan(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  beta: Tensor,
  { scale = q.shape[3] ** -0.5, ...o }: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  expectShape('deltaScan', 'beta', beta, '[B, T, H]', v.shape.slice(0, 3), 'Give one rate per head.');
  return scope(() => {
    const rate = expandDims(beta, -1);
    return matrixScan(mul(q, scale), k, mul(rate, v), { ...o, erase: { read: mul(neg(rate), k) } });
  });
}
