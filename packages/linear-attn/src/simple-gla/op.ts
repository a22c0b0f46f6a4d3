import { mul, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/**
 * Linear attention whose memory fades, each head at a rate that each position chooses.
 *
 *   S_t = e^{g_t} S_{t−1} + k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q        [B, T, G, K]  queries; H is a multiple of G
 * @param k        [B, T, G, K]
 * @param v        [B, T, H, V]
 * @param g        [B, T, H]     log-decay ≤ 0; −∞ forgets all, 0 nothing
 * @param options  initial [B, H, K, V], scale, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Dao and Gu 2024, arXiv:2405.21060, section 5; Yang et al. 2024, arXiv:2312.06635, section 4.2
 */
export function simpleGlaScan(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  g: Tensor,
  { scale = q.shape[3] ** -0.5, ...o }: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  expectShape('simpleGlaScan', 'g', g, '[B, T, H]', v.shape.slice(0, 3), 'Give one log-decay per head.');
  return scope(() => matrixScan(mul(q, scale), k, v, { ...o, logDecay: g }));
}
