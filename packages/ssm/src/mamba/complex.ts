import {
  complexRecurrence,
  concat,
  expandDims,
  mul,
  scan,
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

/** What belongs to positions, u and δ [B, T, C], and B and C where they do. */
interface Positions {
  readonly u: Tensor;
  readonly delta: Tensor;
  readonly Bs?: Complex;
  readonly Cs?: Complex;
}

const eachPart = ({ u, delta, Bs, Cs }: Positions, f: (x: Tensor) => Tensor): Positions => ({
  u: f(u),
  delta: f(delta),
  ...(Bs && { Bs: mapParts(Bs, f) }),
  ...(Cs && { Cs: mapParts(Cs, f) }),
});

/** Positions of a chunk at least, and chunks of a sequence at most. */
const [chunkLength, mostChunks] = [64, 64];

/**
 * Selective scan with complex rates, of conjugate pairs one state each.
 *
 *   h_t = exp(δ_t A) ∘ h_{t−1} + δ_t u_t B_t        y_t = (2 Re(C_tᵀ h_t) + D ∘ u_t) ∘ silu(z_t)
 *
 * Recurrences in complex numbers over chunks of positions, one after another: the states of one chunk are written out at a
 * time, and for gradients those between chunks are kept and the others computed again.
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
    const none = (): Tensor => zeros([B, C, N], { dtype: u.dtype, device: u.device });
    const raw = deltaBias ? delta.add(deltaBias) : delta;
    const all: Positions = {
      ...{ u, delta: deltaSoftplus ? softplus(raw) : raw },
      ...(Bs.re.ndim > 2 && { Bs }),
      ...(Cs.re.ndim > 2 && { Cs }),
    };
    const piece = (from: Complex, part: Positions): [Complex, Tensor] =>
      statesOf(from, part, A, part.Bs ?? Bs, part.Cs ?? Cs);

    const length = Math.max(chunkLength, Math.ceil(T / mostChunks));
    const chunks = T > length ? Math.floor(T / length) : 0;
    let h = h0 ?? { re: none(), im: none() };
    const parts: Tensor[] = [];
    if (chunks > 0) {
      const cut = eachPart(all, (x) =>
        x.slice(1, 0, chunks * length).reshape([B, chunks, length, ...x.shape.slice(2)]),
      );
      const [last, ys] = scan(piece, h, cut, { axis: 1, checkpoint: true });
      h = last;
      parts.push(ys.reshape([B, chunks * length, C]));
    }
    if (chunks * length < T) {
      const [last, y] = piece(
        h,
        eachPart(all, (x) => x.slice(1, chunks * length)),
      );
      h = last;
      parts.push(y);
    }
    let y = parts.length === 0 ? u.zeros() : concat(parts, 1);
    if (D) y = y.add(D.mul(u));
    if (z) y = y.mul(silu(z));
    return [y, T === 0 ? mapParts(h, (x) => x.alias()) : h];
  });
}

/** The state behind some positions, and 2 Re(C h) [B, T, C] at each of them. */
function statesOf(
  initial: Complex,
  { u, delta }: Positions,
  A: Complex,
  Bs: Complex,
  Cs: Complex,
): [Complex, Tensor] {
  const [, T, C] = u.shape;
  const steps = expandDims(delta, 3);
  const input = mapParts(Bs, (x) => mul(mul(steps, expandDims(u, 3)), spread(x, C)));
  const h = complexRecurrence(complexExp(scaled(A, steps)), input, { initial });
  const shown = times(
    h,
    mapParts(Cs, (x) => spread(x, C)),
  );
  return [mapParts(h, (x) => x.at(T - 1, 1)), sum(shown.re, 3).mul(2)];
}
