import {
  clip,
  exp,
  expandDims,
  mul,
  OptionError,
  scope,
  ShapeError,
  show,
  silu,
  softplus,
  sum,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';

/** What surrounds the recurrence of Mamba-2. */
export interface SsdGates {
  /** [H] or, a number for each channel, [H, P]: what of the input goes past the state; nothing if absent. */
  readonly D?: Tensor;
  /** The shape of x: y is multiplied by silu(z); no gate if absent. */
  readonly z?: Tensor;
  /** [H] is added to dt; nothing if absent. */
  readonly dtBias?: Tensor;
  /** Step sizes are softplus(dt + dtBias). Default false: they are taken as they are. */
  readonly dtSoftplus?: boolean;
  /** Smallest and largest step size; unbounded if absent. */
  readonly dtLimit?: readonly [low: number, high: number];
}

/** Options of `ssd`. */
export interface SsdOptions extends SsdGates {
  /** [B, H, N, P] state before the first position; zero if absent. */
  readonly initial?: Tensor;
  /** [B, T] bool: true where the state is cleared before that position (packed sequences). */
  readonly resets?: Tensor;
  /** Positions of a chunk. Default 64. */
  readonly chunkSize?: number;
}

/** δ, from dt [..., H]. */
function stepsOf(dt: Tensor, { dtBias, dtSoftplus = false, dtLimit }: SsdGates): Tensor {
  const raw = dtBias ? dt.add(dtBias) : dt;
  const steps = dtSoftplus ? softplus(raw) : raw;
  if (!dtLimit) return steps;
  const [low, high] = dtLimit;
  if (!(low >= 0 && high >= low))
    throw new OptionError(`ssd: dtLimit must be 0 ≤ low ≤ high, got ${low} and ${high}.`);
  return clip(steps, low, high);
}

/** y + D x, gated; the last axes are [H, P]. */
function around(y: Tensor, x: Tensor, { D, z }: SsdGates): Tensor {
  let out = y;
  if (D) out = out.add(mul(D.ndim === 1 ? expandDims(D, 1) : D, x));
  return z ? out.mul(silu(z)) : out;
}

function check(where: string, x: Tensor, dt: Tensor, A: Tensor, Bs: Tensor, Cs: Tensor, axes: number): void {
  const lead = x.shape.slice(0, axes);
  const [H] = A.shape;
  const group = [...lead, Bs.shape[axes], Bs.shape[axes + 1]];
  const fits =
    x.ndim === axes + 2 &&
    x.shape[axes] === H &&
    show(dt.shape) === show([...lead, H]) &&
    show(Bs.shape) === show(group) &&
    show(Cs.shape) === show(group) &&
    H % Bs.shape[axes] === 0;
  if (fits) return;
  const at = axes === 2 ? 'B, T' : 'B';
  throw new ShapeError(
    `${where}: x must be [${at}, H, P], dt [${at}, H], A [H], B and C [${at}, G, N] with G a divisor of H, got ${[x, dt, A, Bs, Cs].map((t) => show(t.shape)).join(', ')}.`,
  );
}

/**
 * State space duality: the recurrence of Mamba-2, a matrix for each head that decays by one number a position.
 *
 *   δ_t = softplus(dt_t + dtBias), within dtLimit
 *   S_t = e^{δ_t A} S_{t−1} + δ_t B_t x_tᵀ        y_t = (S_tᵀ C_t + D ∘ x_t) ∘ silu(z_t)
 *
 * It is `matrixScan` with C for queries, B for keys, δ x for values and δ A for log-decays. Gradients flow into the
 * initial state and through the last one.
 *
 * @param x        [B, T, H, P]  any T ≥ 0
 * @param dt       [B, T, H]     step sizes, before bias, softplus and bounds
 * @param A        [H]           rates of decay, ≤ 0
 * @param Bs       [B, T, G, N]  G groups of consecutive heads share one
 * @param Cs       [B, T, G, N]
 * @param options  D [H] or [H, P], z [B, T, H, P], dtBias [H], dtSoftplus, dtLimit, initial, resets [B, T], chunkSize
 * @returns        y [B, T, H, P] and the state after the last position [B, H, N, P]
 * @throws ShapeError, DTypeError, OptionError
 * @see Dao and Gu 2024, arXiv:2405.21060, section 6
 */
export function ssd(
  x: Tensor,
  dt: Tensor,
  A: Tensor,
  Bs: Tensor,
  Cs: Tensor,
  { initial, resets, chunkSize, ...gates }: SsdOptions = {},
): [y: Tensor, state: Tensor] {
  check('ssd', x, dt, A, Bs, Cs, 2);
  return scope(() => {
    const steps = stepsOf(dt, gates);
    const [y, state] = matrixScan(Cs, Bs, mul(expandDims(steps, 3), x), {
      logDecay: mul(steps, A),
      ...(initial && { initial }),
      ...(resets && { resets }),
      ...(chunkSize !== undefined && { chunkSize }),
    });
    return [around(y, x, gates), state];
  });
}

/**
 * One position of `ssd`.
 *
 * @param x      [B, H, P]
 * @param dt     [B, H]
 * @param A      [H]
 * @param Bs     [B, G, N]
 * @param Cs     [B, G, N]
 * @param state  [B, H, N, P]
 * @param gates  as those of `ssd`, z [B, H, P]
 * @returns      y [B, H, P] and the state after it [B, H, N, P]
 * @throws ShapeError, OptionError
 */
export function ssdStep(
  x: Tensor,
  dt: Tensor,
  A: Tensor,
  Bs: Tensor,
  Cs: Tensor,
  state: Tensor,
  gates: SsdGates = {},
): [y: Tensor, state: Tensor] {
  check('ssdStep', x, dt, A, Bs, Cs, 1);
  const [B, H, P] = x.shape;
  const [, G, N] = Bs.shape;
  if (show(state.shape) !== show([B, H, N, P]))
    throw new ShapeError(
      `ssdStep: state must be [B, H, N, P] = ${show([B, H, N, P])}, got ${show(state.shape)}.`,
    );
  return scope(() => {
    const steps = stepsOf(dt, gates);
    const heads = (t: Tensor): Tensor =>
      t
        .expandDims(2)
        .broadcastTo([B, G, H / G, N])
        .reshape([B, H, N, 1]);
    const decay = exp(mul(steps, A)).reshape([B, H, 1, 1]);
    const written = mul(heads(Bs), mul(expandDims(steps, 2), x).expandDims(2));
    const next = mul(decay, state).add(written);
    return [around(sum(mul(heads(Cs), next), 2), x, gates), next];
  });
}
