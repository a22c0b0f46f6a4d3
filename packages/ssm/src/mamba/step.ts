import { exp, expandDims, mul, scope, ShapeError, show, silu, softplus, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { SelectiveScanOptions } from './op.js';

/**
 * One position of `selectiveScan`.
 *
 *   h ← exp(δ A) ∘ h + δ u B        y = (Cᵀ h + D ∘ u) ∘ silu(z)
 *
 * @param u      [B, C]
 * @param delta  [B, C]     step sizes, before bias and softplus
 * @param A      [C, N]
 * @param Bs     [B, N]     or [B, G, N] for G groups of channels
 * @param Cs     [B, N]     as Bs
 * @param h      [B, C, N]  state before
 * @param options  D [C], z [B, C], deltaBias [C], deltaSoftplus
 * @returns      y [B, C] and the state after [B, C, N]
 * @throws ShapeError  tensors that do not fit together
 */
export function selectiveScanStep(
  u: Tensor,
  delta: Tensor,
  A: Tensor,
  Bs: Tensor,
  Cs: Tensor,
  h: Tensor,
  { D, z, deltaBias, deltaSoftplus = false }: Omit<SelectiveScanOptions, 'h0'> = {},
): [y: Tensor, h: Tensor] {
  const [B, C] = u.shape;
  const N = A.shape[1];
  if (show(h.shape) !== show([B, C, N]) || A.shape[0] !== C || show(delta.shape) !== show(u.shape))
    throw new ShapeError(
      `selectiveScanStep: u and delta must be [B, C], A [C, N] and h [B, C, N], got ${[u, delta, A, h].map((x) => show(x.shape)).join(', ')}.`,
    );
  return scope(() => {
    const raw = deltaBias ? delta.add(deltaBias) : delta;
    const steps = deltaSoftplus ? softplus(raw) : raw;
    const grown = mul(spread('B', Bs, B, C, N), expandDims(mul(steps, u), 2));
    const next = mul(exp(mul(expandDims(steps, 2), A)), h).add(grown);
    let y = sum(mul(next, spread('C', Cs, B, C, N)), 2);
    if (D) y = y.add(D.mul(u));
    if (z) y = y.mul(silu(z));
    return [y, next];
  });
}

/** B or C of one position as what broadcasts to [B, C, N]. */
function spread(name: string, x: Tensor, B: number, C: number, N: number): Tensor {
  if (x.shape.length === 2 && x.shape[0] === B && x.shape[1] === N) return expandDims(x, 1);
  const G = x.shape[1];
  if (x.shape.length !== 3 || x.shape[0] !== B || x.shape[2] !== N || G < 1 || C % G !== 0)
    throw new ShapeError(
      `selectiveScanStep: ${name} must be [B, N] = ${show([B, N])} or [B, G, N] with G a divisor of C = ${C}, got ${show(x.shape)}.`,
    );
  return x
    .expandDims(2)
    .broadcastTo([B, G, C / G, N])
    .reshape([B, C, N]);
}
