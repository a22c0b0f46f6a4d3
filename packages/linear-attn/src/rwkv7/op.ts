import { mul, neg, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/** What a position does to a memory whose transition is diagonal plus rank one. */
export interface DplrOperands {
  /** [B, T, H, K] */
  readonly q: Tensor;
  /** [B, T, H, K] */
  readonly k: Tensor;
  /** [B, T, H, V] */
  readonly v: Tensor;
  /** [B, T, H, K] log-decay ≤ 0 */
  readonly g: Tensor;
  /** [B, T, H, K] reads the state before it decays */
  readonly alpha: Tensor;
  /** [B, T, H, K] writes what was read */
  readonly beta: Tensor;
}

/**
 * A memory whose transition is a diagonal plus a matrix of rank one.
 *
 *   S_t = (diag(e^{g_t}) + β_t α_tᵀ) S_{t−1} + k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param operands  q, k, g, alpha, beta [B, T, H, K], v [B, T, H, V]
 * @param options   initial [B, H, K, V], scale, resets [B, T], chunkSize
 * @returns         o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Peng et al. 2025, arXiv:2503.14456, section 3
 */
export function dplrScan(
  { q, k, v, g, alpha, beta }: DplrOperands,
  { scale = q.shape[3] ** -0.5, ...o }: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  expectShape('dplrScan', 'g', g, '[B, T, H, K]', q.shape, 'Give one log-decay per key channel.');
  return scope(() =>
    matrixScan(scale === 1 ? q : mul(q, scale), k, v, {
      ...o,
      logDecay: g,
      erase: { read: alpha, write: beta },
    }),
  );
}

/** What a position of RWKV-7 does to its memory. */
export interface Rwkv7Operands {
  /** [B, T, H, K] receptance */
  readonly r: Tensor;
  /** [B, T, H, K] log-decay ≤ 0 */
  readonly w: Tensor;
  /** [B, T, H, K] */
  readonly k: Tensor;
  /** [B, T, H, V] */
  readonly v: Tensor;
  /** [B, T, H, K] the key that is erased, of unit length */
  readonly kappa: Tensor;
  /** [B, T, H, K] how much of it, 0 … 1 */
  readonly a: Tensor;
}

/**
 * The memory of RWKV-7: it fades by channel, part of what one key points to is erased, and another key is written.
 *
 *   S_t = (diag(e^{w_t}) − (κ_t ∘ a_t) κ_tᵀ) S_{t−1} + k_t v_tᵀ     o_t = S_tᵀ r_t
 *
 * The authors' code stores the transpose, [V, K].
 *
 * @param operands  r, w, k, kappa, a [B, T, H, K], v [B, T, H, V]
 * @param options   initial [B, H, K, V], scale (here 1 by default), resets [B, T], chunkSize
 * @returns         o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Peng et al. 2025, arXiv:2503.14456, eq. 17
 */
export function rwkv7Scan(
  { r, w, k, v, kappa, a }: Rwkv7Operands,
  o: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  return scope(() =>
    dplrScan({ q: r, k, v, g: w, alpha: neg(kappa), beta: mul(kappa, a) }, { scale: 1, ...o }),
  );
}
