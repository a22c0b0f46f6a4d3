import {
  arange,
  complexRecurrence,
  concat,
  expandDims,
  fftConv,
  matmul,
  mul,
  scope,
  ShapeError,
  show,
  zeros,
} from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { complexExp, intoComplex, mapParts, realOf, times } from './complex.js';

/** A state space that all channels share: h_t = a ∘ h_{t−1} + B u_t, y_t = Re(C h_t) + D ∘ u_t. */
export interface Mimo {
  /** [P] logarithm of a, or nothing where a is no exponential */
  readonly log?: Complex;
  /** [P] */
  readonly a: Complex;
  /** [P, H] */
  readonly B: Complex;
  /** [H, P] */
  readonly C: Complex;
  /** [H] */
  readonly D: Tensor;
}

/** How a scan over a state space begins and runs. */
export interface MimoScanOptions {
  /** { re, im } [B, P] state before the first position; zero if absent. */
  readonly h0?: Complex;
  /** From the last position to the first. Default false. */
  readonly reverse?: boolean;
}

/**
 * Throws unless a system has `rates` [P], B [P, H] and C [H, P], and u, where there is one, that many axes, the last of H.
 *
 * @param P  what the room calls the number of states
 */
export function checkMimo(
  where: string,
  rates: Tensor,
  { B, C }: Pick<Mimo, 'B' | 'C'>,
  P: 'N' | 'P',
  u?: Tensor,
  axes = 3,
): void {
  const H = u ? u.shape[u.ndim - 1] : C.re.shape[0];
  const N = rates.shape[0];
  const fits = show(B.re.shape) === show([N, H]) && show(C.re.shape) === show([H, N]);
  if (fits && (!u || u.ndim === axes)) return;
  const given = [...(u ? [u] : []), rates, B.re, C.re].map((x) => show(x.shape));
  const input = u ? `u must be ${axes === 3 ? '[B, T, H]' : '[B, H]'}, ` : '';
  throw new ShapeError(
    `${where}: ${input}rates${u ? '' : ' must be'} [${P}], B [${P}, H] and C [H, ${P}], got ${given.join(', ')}.`,
  );
}

/** The states of all positions by one recurrence: u [B, T, H] → y [B, T, H] and the last state [B, P]. */
export function mimoScan(
  u: Tensor,
  { a, B, C, D }: Mimo,
  { h0, reverse = false }: MimoScanOptions = {},
): [y: Tensor, h: Complex] {
  return scope(() => {
    const [rows, T] = u.shape;
    const P = a.re.shape[0];
    const none = (): Tensor => zeros([rows, P], { dtype: u.dtype, device: u.device });
    const initial = h0 ?? { re: none(), im: none() };
    const h = complexRecurrence(a, intoComplex(u, B), { initial, reverse });
    const y = realOf(h, C).add(mul(D, u));
    return [y, mapParts(T === 0 ? initial : h, (x) => (T === 0 ? x.alias() : x.at(reverse ? 0 : T - 1, 1)))];
  });
}

/** One position: u [B, H], h { re, im } [B, P]. */
export function mimoStep(u: Tensor, { a, B, C, D }: Mimo, h: Complex): [y: Tensor, h: Complex] {
  return scope(() => {
    const old = times(a, h);
    const grown = intoComplex(u, B);
    const next = { re: old.re.add(grown.re), im: old.im.add(grown.im) };
    return [realOf(next, C).add(mul(D, u)), next];
  });
}

/** The same as a convolution of every state's input with a^l, through Fourier transforms; no state goes in or comes out. */
export function mimoConvolution(u: Tensor, system: Mimo): Tensor {
  return scope(() => {
    const powers = powersOf(system, Math.max(1, u.shape[1]));
    const x = intoComplex(u, system.B);
    const h = {
      re: fftConv(x.re, powers.re).sub(fftConv(x.im, powers.im)),
      im: fftConv(x.re, powers.im).add(fftConv(x.im, powers.re)),
    };
    return realOf(h, system.C).add(mul(system.D, u));
  });
}

/** The response of every output to an impulse at every input, K_l = Re(C a^l B): [H, H, L], outputs first; without D. */
export function mimoKernel(system: Mimo, L: number): Tensor {
  return scope(() => {
    const { B, C } = system;
    const [H, P] = C.re.shape;
    const powers = powersOf(system, L);
    const paths = times(
      mapParts(C, (c) => expandDims(c, 1)),
      mapParts(B, (b) => expandDims(b.transpose(), 0)),
    ); // [H, H, P]
    const part = (x: Tensor, y: Tensor): Tensor => matmul(x.reshape([H * H, P]), y);
    return part(paths.re, powers.re).sub(part(paths.im, powers.im)).reshape([H, H, L]);
  });
}

/** a^l [P, T]; where a is no exponential, as the response of the recurrence to 1, 0, 0, … */
function powersOf({ log, a }: Mimo, T: number): Complex {
  const o = { dtype: a.re.dtype, device: a.re.device };
  if (log) {
    const l = arange(0, T, 1, o);
    return complexExp(mapParts(log, (z) => mul(expandDims(z, 1), l)));
  }
  const P = a.re.shape[0];
  const rest = zeros([1, T, P], o);
  const one = { re: zeros([1, P], o).add(1), im: zeros([1, P], o) };
  // From h = 1 and no input the recurrence gives a, a², …; the first power is the state itself.
  const h = complexRecurrence(a, { re: rest, im: rest }, { initial: one });
  return {
    re: concat([one.re.expandDims(1), h.re.slice(1, 0, T - 1)], 1)
      .reshape([T, P])
      .transpose(),
    im: concat([one.im.expandDims(1), h.im.slice(1, 0, T - 1)], 1)
      .reshape([T, P])
      .transpose(),
  };
}

/** Operations beside matrix products of one position of a scan or step, P states and H channels, as plans count them. */
export function mimoFlops(P: number, H: number): number {
  return 8 * P + 3 * H;
}
