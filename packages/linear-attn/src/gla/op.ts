import { mul, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/**
 * Gated linear attention: every key channel of the memory fades at a rate of its own.
 *
 *   S_t = diag(e^{g_t}) S_{t−1} + k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q        [B, T, G, K]  queries; H is a multiple of G
 * @param k        [B, T, G, K]
 * @param v        [B, T, H, V]
 * @param g        [B, T, H, K]  log-decay ≤ 0; −∞ forgets all, 0 nothing
 * @param options  initial [B, H, K, V], scale, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Yang et al. 2024, arXiv:2312.06635, eq. 3
 */
export function glaScan(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  g: Tensor,
  { scale = q.shape[3] ** -0.5, ...o }: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  const shape = [...v.shape.slice(0, 3), q.shape[3]];
  expectShape('glaScan', 'g', g, '[B, T, H, K]', shape, 'Give one log-decay per key channel.');
  return scope(() => matrixScan(mul(q, scale), k, v, { ...o, logDecay: g }));
}
