import {
  complexRecurrence,
  expandDims,
  mul,
  scope,
  ShapeError,
  show,
  silu,
  softplus,
  sum,
  zeros,
} from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { complexExp, mapParts, scaled, times } from '../internal/complex.js';
import type { SelectiveScanOptions } from './op.js';

/** Options of `complexSelectiveScan`. */
export interface ComplexScanOptions extends Omit<SelectiveScanOptions, 'h0'> {
  /** { re, im } [B, C, N] state before the first position; zero if absent. */
  readonly h0?: Complex;
}

/** B or C as [B, T, C, N], or [C, N], which broadcasts. */
function spread(x: Tensor, channels: number): Tensor {
  if (x.ndim === 2) return x;
  const [B, T, G, N] = x.ndim === 3 ? [x.shape[0], x.shape[1], 1, x.shape[2]] : x.shape;
  return x
    .reshape([B, T, G, 1, N])
    .broadcastTo([B, T, G, channels / G, N])
    .reshape([B, T, channels, N]);
}

/**
 * Selective scan with complex rates, of conjugate pairs one state each.
 *
 *   h_t = exp(δ_t A) ∘ h_{t−1} + δ_t u_t B_t        y_t = (2 Re(C_tᵀ h_t) + D ∘ u_t) ∘ silu(z_t)
 *
 * One recurrence in complex numbers over all positions; unlike `selectiveScan` it writes all states out.
 *
 * @param u, delta  [B, T, C]
 * @param A         { re, im } [C, N]
 * @param Bs, Cs    { re, im } [B, T, N], [B, T, G, N] or [C, N]
 * @param options   as those of `selectiveScan`, h0 { re, im } [B, C, N]
 * @returns         y [B, T, C] and the state after the last position { re, im } [B, C, N]
 * @throws ShapeError  tensors that do not fit together
 * @see Gu and Dao 2023, arXiv:2312.00752, section 3.6 (real and complex)
 */
export function complexSelectiveScan(
  u: Tensor,
  delta: Tensor,
  A: Complex,
  Bs: Complex,
  Cs: Complex,
  { D, z, deltaBias, deltaSoftplus = false, h0 }: ComplexScanOptions = {},
): [y: Tensor, h: Complex] {
  const [B, T, C] = u.shape;
  const N = A.re.shape[1];
  if (u.ndim !== 3 || show(delta.shape) !== show(u.shape) || A.re.shape[0] !== C)
    throw new ShapeError(
      `complexSelectiveScan: u and delta must be [B, T, C] and A [C, N], got ${[u, delta, A.re].map((x) => show(x.shape)).join(', ')}.`,
    );
  return scope(() => {
    const raw = deltaBias ? delta.add(deltaBias) : delta;
    const steps = expandDims(deltaSoftplus ? softplus(raw) : raw, 3);
    const none = (): Tensor => zeros([B, C, N], { dtype: u.dtype, device: u.device });
    const initial = h0 ?? { re: none(), im: none() };
    const input = mapParts(Bs, (x) => mul(mul(steps, expandDims(u, 3)), spread(x, C)));
    const h = complexRecurrence(complexExp(scaled(A, steps)), input, { initial });
    const shown = times(
      h,
      mapParts(Cs, (x) => spread(x, C)),
    );
    let y = sum(shown.re, 3).mul(2);
    if (D) y = y.add(D.mul(u));
    if (z) y = y.mul(silu(z));
    return [y, mapParts(T === 0 ? initial : h, (x) => (T === 0 ? x.alias() : x.at(T - 1, 1)))];
  });
}
