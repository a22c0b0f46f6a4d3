import { exp, expandDims, mul, neg, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/**
 * The gated delta rule: the memory fades, then what a key points to in it is moved towards a value.
 *
 *   S_t = e^{g_t} (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q        [B, T, G, K]  queries; H is a multiple of G
 * @param k        [B, T, H, K]  keys, of unit length
 * @param v        [B, T, H, V]
 * @param g        [B, T, H]     log-decay ≤ 0; −∞ forgets all, 0 nothing
 * @param beta     [B, T, H]     0 only fades, 1 replaces
 * @param options  initial [B, H, K, V], scale, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464, eq. 10
 */
export function gatedDeltaScan(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  g: Tensor,
  beta: Tensor,
  { scale = q.shape[3] ** -0.5, ...o }: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  const rows = v.shape.slice(0, 3);
  expectShape('gatedDeltaScan', 'g', g, '[B, T, H]', rows, 'Give one log-decay per head.');
  expectShape('gatedDeltaScan', 'beta', beta, '[B, T, H]', rows, 'Give one rate per head.');
  return scope(() => {
    const read = mul(expandDims(neg(mul(beta, exp(g))), -1), k);
    const options = { ...o, logDecay: g, erase: { read } };
    return matrixScan(mul(q, scale), k, mul(expandDims(beta, -1), v), options);
  });
}
