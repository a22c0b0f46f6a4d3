import {
  add,
  complexRecurrence,
  concat,
  exp,
  expandDims,
  fftConv,
  mul,
  neg,
  scope,
  ShapeError,
  show,
  sum,
  zeros,
} from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { scaled, times } from '../internal/complex.js';
import { discretizations } from '../internal/discretize.js';
import type { Discrete } from '../internal/discretize.js';
import { checkLength, diagonalKernel } from '../internal/kernel.js';

/** A diagonal state space for each of H channels, M complex states each; the other half is conjugate and left out. */
export type S4dSystem = {
  /** [H] log of the step size */
  readonly logStep: Tensor;
  /** [H, M]; the rates are λ = −e^logReal + i imag */
  readonly logReal: Tensor;
  /** [H, M] */
  readonly imag: Tensor;
  /** [H, M] */
  readonly C: Complex;
  /** [H] what goes past the states */
  readonly D: Tensor;
};

/** Options of the functions on a system. */
export interface S4dOptions {
  /** Rule that makes it discrete. Default `zoh`. */
  readonly discretization?: 'zoh' | 'bilinear';
}

function rates({ logReal, imag }: S4dSystem): Complex {
  return { re: neg(exp(logReal)), im: imag };
}

/** a and b [H, M]. */
function discrete(system: S4dSystem, { discretization = 'zoh' }: S4dOptions): Discrete {
  return discretizations[discretization](rates(system), expandDims(exp(system.logStep), 1));
}

/**
 * Impulse response of each channel, what `s4dConvolution` convolves with: K_l = 2 Re(Σ_m C_m b_m a_m^l).
 *
 * @param L  positions, a positive integer
 * @returns  [H, L], without the D that goes past the states
 * @throws OptionError
 * @see Gu et al. 2022, arXiv:2206.11893, eq. 9
 */
export function s4dKernel(system: S4dSystem, L: number, options: S4dOptions = {}): Tensor {
  checkLength('s4dKernel', L);
  return scope(() => {
    const { a, b } = discrete(system, options);
    const c = scaled(times(system.C, b), 2);
    if (options.discretization !== 'bilinear')
      return diagonalKernel(scaled(rates(system), expandDims(exp(system.logStep), 1)), c, L);
    // a is no exponential here: the response to 1, 0, 0, … by the recurrence.
    const rest = zeros([1, L - 1, ...c.re.shape], { dtype: c.re.dtype, device: c.re.device });
    const impulse = (x: Tensor): Tensor => concat([expandDims(x, 0).expandDims(0), rest], 1);
    const { re } = complexRecurrence(a, { re: impulse(c.re), im: impulse(c.im) });
    return sum(re, 3).reshape([L, c.re.shape[0]]).transpose().contiguous();
  });
}

function check(where: string, u: Tensor, { logReal, logStep, D }: S4dSystem, axes: number): void {
  const H = u.shape[u.ndim - 1];
  if (
    u.ndim === axes &&
    logReal.ndim === 2 &&
    logReal.shape[0] === H &&
    logStep.shape[0] === H &&
    D.shape[0] === H
  )
    return;
  throw new ShapeError(
    `${where}: u must be ${axes === 3 ? '[B, T, H]' : '[B, H]'} and the system of H channels, got u ${show(u.shape)}, rates ${show(logReal.shape)}, D ${show(D.shape)}.`,
  );
}

/**
 * The system as a convolution of any length, through Fourier transforms: no state goes in or comes out.
 *
 * @param u  [B, T, H]
 * @returns  y [B, T, H]
 * @throws ShapeError
 */
export function s4dConvolution(u: Tensor, system: S4dSystem, options: S4dOptions = {}): Tensor {
  check('s4dConvolution', u, system, 3);
  const T = Math.max(1, u.shape[1]);
  return scope(() => add(fftConv(u, s4dKernel(system, T, options)), mul(system.D, u)));
}

/**
 * The system as a scan over positions, from a state to a state.
 *
 *   h_t = a h_{t−1} + b u_t        y_t = 2 Re(Σ_m C_m h_t) + D u_t
 *
 * @param u   [B, T, H]
 * @param h0  { re, im } [B, H, M]; zero if absent
 * @returns   y [B, T, H] and the last state { re, im } [B, H, M]
 * @throws ShapeError
 */
export function s4dScan(
  u: Tensor,
  system: S4dSystem,
  { h0, ...options }: S4dOptions & { readonly h0?: Complex } = {},
): [y: Tensor, h: Complex] {
  check('s4dScan', u, system, 3);
  const [B, T, H] = u.shape;
  const M = system.logReal.shape[1];
  return scope(() => {
    const { a, b } = discrete(system, options);
    const o = { dtype: u.dtype, device: u.device };
    const initial = h0 ?? { re: zeros([B, H, M], o), im: zeros([B, H, M], o) };
    const h = complexRecurrence(a, scaled(b, expandDims(u, 3)), { initial });
    const y = add(output(h, system), mul(system.D, u));
    if (T === 0) return [y, { re: initial.re.alias(), im: initial.im.alias() }];
    return [y, { re: h.re.at(T - 1, 1), im: h.im.at(T - 1, 1) }];
  });
}

/** One position of `s4dScan`: u [B, H], h { re, im } [B, H, M]. */
export function s4dStep(
  u: Tensor,
  system: S4dSystem,
  h: Complex,
  options: S4dOptions = {},
): [y: Tensor, h: Complex] {
  check('s4dStep', u, system, 2);
  return scope(() => {
    const { a, b } = discrete(system, options);
    const old = times(a, h);
    const grown = scaled(b, expandDims(u, 2));
    const next = { re: old.re.add(grown.re), im: old.im.add(grown.im) };
    return [add(output(next, system), mul(system.D, u)), next];
  });
}

/** 2 Re(Σ_m C_m h) */
function output(h: Complex, { C }: S4dSystem): Tensor {
  return sum(mul(h.re, C.re).sub(mul(h.im, C.im)), -1).mul(2);
}
