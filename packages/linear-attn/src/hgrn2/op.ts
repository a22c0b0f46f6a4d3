import { at, exp, expm1, linearRecurrence, mul, neg, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import type { MemoryOptions } from '../internal/memory-options.js';
import { expectShape } from '../internal/shapes.js';

/**
 * HGRN2: the keys are tied to the forget gates, so that a channel writes as much as it forgets.
 *
 *   S_t = diag(e^{g_t}) S_{t−1} + (1 − e^{g_t}) v_tᵀ     o_t = scale · S_tᵀ q_t
 *
 * @param q        [B, T, H, K]  queries
 * @param v        [B, T, H, V]  values
 * @param g        [B, T, H, K]  log of the forget gate, ≤ 0
 * @param options  initial [B, H, K, V], scale (here 1 by default), resets [B, T], chunkSize
 * @returns        o [B, T, H, V] and the state after the last position [B, H, K, V]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Qin et al. 2024, arXiv:2404.07904, eq. 6
 */
export function hgrn2Scan(
  q: Tensor,
  v: Tensor,
  g: Tensor,
  { scale = 1, ...o }: MemoryOptions = {},
): [o: Tensor, state: Tensor] {
  expectShape('hgrn2Scan', 'g', g, '[B, T, H, K]', q.shape, 'Give one gate per key channel.');
  return scope(() => {
    const queries = scale === 1 ? q : mul(q, scale);
    return matrixScan(queries, neg(expm1(g)), v, { ...o, logDecay: g });
  });
}

/**
 * The recurrence of HGRN, the first of its name, whose state is a vector.
 *
 *   h_t = e^{g_t} ∘ h_{t−1} + x_t
 *
 * @param x        [B, T, D]  what is written, (1 − e^g) ∘ silu(i) in the paper
 * @param g        [B, T, D]  log of the forget gate, ≤ 0
 * @param options  initial [B, D]
 * @returns        h [B, T, D] and the state after the last position [B, D]
 * @throws ShapeError, DTypeError  tensors that do not fit together
 * @see Qin, Yang and Zhong 2023, arXiv:2311.04823, eq. 4
 */
export function hgrnScan(
  x: Tensor,
  g: Tensor,
  { initial }: { readonly initial?: Tensor } = {},
): [h: Tensor, state: Tensor] {
  expectShape('hgrnScan', 'g', g, '[B, T, D]', x.shape, 'Give one gate per channel.');
  return scope(() => {
    const h = linearRecurrence(exp(g), x, { ...(initial && { initial }) });
    const T = x.shape[1];
    return [h, T > 0 ? at(h, T - 1, 1) : (initial ?? x.zeros().sum(1))];
  });
}
