import { broadcastTo, mul, scope, ShapeError, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';

/** Options of `retain`. */
export interface RetainOptions extends MemoryOptions {
  /** H numbers ≤ 0, the log of what each head keeps at a step. Default `retentionDecays(H)`. */
  readonly logDecay?: readonly number[];
}

/** Log-decays of RetNet's heads, log(1 − 2^{−5−h}): head h remembers some 2^{5+h} steps. */
export function retentionDecays(H: number): number[] {
  return Array.from({ length: H }, (_, h) => Math.log1p(-(2 ** (-5 - h))));
}

/**
 * Log-decays of Lightning attention's heads in layer `layer` of `layers`: −(8/H) (1 − layer/layers) h. Head 0 never forgets.
 *
 * @see Qin et al. 2024, arXiv:2401.04658
 */
export function lightningDecays(H: number, layer: number, layers: number): number[] {
  return Array.from({ length: H }, (_, h) => -(8 / H) * (1 - layer / layers) * h);
}

/**
 * Retention: linear attention whose heads forget at fixed rates.
 *
 *   S_t = γ_h S_{t−1} + k_t v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q        [B, T, G, K]  queries; H is a multiple of G
 * @param k        [B, T, G, K]
 * @param v        [B, T, H, V]
 * @param options  logDecay (H numbers log γ), initial [B, H, K, V], scale, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together, a number of decays other than H
 * @see Sun et al. 2023, arXiv:2307.08621, eq. 6
 */
export function retain(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale = q.shape[3] ** -0.5, logDecay = retentionDecays(v.shape[2]), ...o }: RetainOptions = {},
): [o: Tensor, state: Tensor] {
  const [B, T, H] = v.shape;
  if (logDecay.length !== H)
    throw new ShapeError(
      `retain: logDecay must be H = ${H} numbers, got ${logDecay.length}. H comes from v.`,
    );
  return scope(() => {
    const decays = tensor(logDecay, { dtype: v.dtype, device: v.device });
    return matrixScan(mul(q, scale), k, v, { ...o, logDecay: broadcastTo(decays, [B, T, H]) });
  });
}
