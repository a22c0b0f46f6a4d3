import { add, concat, div, expandDims, matmul, mul, ones, scope, sum, transpose, where } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/** Options of `linearAttend`. */
export interface LinearAttendOptions extends Omit<MemoryOptions, 'initial' | 'scale'> {
  /** Whether the reading is divided by z · q. Default true. */
  readonly normalize?: boolean;
  /** Added to what is divided by; 0 is right for features that are positive for sure. Default 1e-6. */
  readonly eps?: number;
  /** Factor of the queries. Default 1: features are scaled already. */
  readonly scale?: number;
  /** [B, H, M, V + 1], without `normalize` [B, H, M, V]: state before the first position; zero if absent. */
  readonly initial?: Tensor;
}

/**
 * Causal linear attention on features of queries and keys.
 *
 *   S_t = S_{t−1} + k_t v_tᵀ     z_t = z_{t−1} + k_t     o_t = S_tᵀ q_t / (z_t · q_t + eps)
 *
 * Without `normalize` the quotient is left out; a norm must follow then. The running sum z is one more column of the
 * state: the values get a column of ones.
 *
 * @param q        [B, T, G, M]  φ(queries); H is a multiple of G
 * @param k        [B, T, G, M]  φ(keys)
 * @param v        [B, T, H, V]
 * @param options  normalize, eps, scale, initial, resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, M, V + 1], the last column being z; without
 *                 `normalize` [B, H, M, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Katharopoulos et al. 2020, arXiv:2006.16236, eq. 9–12
 */
export function linearAttend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { normalize = true, eps = 1e-6, scale = 1, ...o }: LinearAttendOptions = {},
): [o: Tensor, state: Tensor] {
  const [B, T, H, V] = v.shape;
  return scope(() => {
    const queries = scale === 1 ? q : mul(q, scale);
    if (!normalize) return matrixScan(queries, k, v, o);
    const one = ones([B, T, H, 1], { dtype: v.dtype, device: v.device });
    const [read, state] = matrixScan(queries, k, concat([v, one], 3), o);
    return [div(read.slice(3, 0, V), add(read.slice(3, V), eps)), state];
  });
}

/** Options of `linearAttendAll`. */
export interface LinearAttendAllOptions {
  /** [B, S] bool: true where a key counts. */
  readonly mask?: Tensor;
  /** Added to what is divided by; a row without keys gives 0 while it is positive. Default 1e-6. */
  readonly eps?: number;
}

/**
 * Linear attention in which every query sees all keys.
 *
 *   o_t = (Σ_s k_s v_sᵀ)ᵀ q_t / (Σ_s k_s · q_t + eps)
 *
 * @param q        [B, T, H, M]  φ(queries)
 * @param k        [B, S, H, M]  φ(keys)
 * @param v        [B, S, H, V]
 * @param options  mask [B, S], eps
 * @returns        [B, T, H, V]
 * @throws ShapeError  tensors that do not fit together
 * @see Katharopoulos et al. 2020, arXiv:2006.16236, eq. 5–6
 */
export function linearAttendAll(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { mask, eps = 1e-6 }: LinearAttendAllOptions = {},
): Tensor {
  const [B, S, H, M] = k.shape;
  expectShape('linearAttendAll', 'q', q, '[B, T, H, M]', [B, q.shape[1], H, M], 'B, H and M come from k.');
  expectShape('linearAttendAll', 'v', v, '[B, S, H, V]', [B, S, H, v.shape[3]], 'B, S and H come from k.');
  expectShape('linearAttendAll', 'mask', mask, '[B, S]', [B, S], 'Give one flag per key.');
  return scope(() => {
    const keys = (mask ? where(mask.reshape([B, S, 1, 1]), k, 0) : k).swapAxes(1, 2); // [B, H, S, M]
    const memory = matmul(transpose(keys), v.swapAxes(1, 2)); // [B, H, M, V]
    const queries = q.swapAxes(1, 2); // [B, H, T, M]
    const total = matmul(queries, expandDims(sum(keys, 2), -1)); // [B, H, T, 1]
    return div(matmul(queries, memory), add(total, eps)).swapAxes(1, 2);
  });
}
