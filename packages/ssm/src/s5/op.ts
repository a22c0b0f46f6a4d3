import { exp, expandDims, minimum, scope } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { scaled, times } from '../internal/complex.js';
import { discretizations } from '../internal/discretize.js';
import { checkLength } from '../internal/kernel.js';
import { checkMimo, mimoConvolution, mimoKernel, mimoScan, mimoStep } from '../internal/mimo.js';
import type { Mimo, MimoScanOptions } from '../internal/mimo.js';

/** A diagonal state space of P complex states that all H channels share. */
export type S5System = {
  /** [P] rates */
  readonly lambda: Complex;
  /** [P] log of the step sizes */
  readonly logStep: Tensor;
  /** [P, H] */
  readonly B: Complex;
  /** [H, P] */
  readonly C: Complex;
  /** [H] */
  readonly D: Tensor;
};

/** Options of the functions on a system. */
export interface S5Options {
  /** Rule that makes it discrete. Default `zoh`. */
  readonly discretization?: 'zoh' | 'bilinear';
  /** True: of conjugate pairs one each is kept, y = 2 Re(C h). False: all states are there, y = Re(C h). Default true. */
  readonly conjSym?: boolean;
  /** True: real parts of the rates above −1e−4 count as that, so that no state grows. Default false. */
  readonly clipEigs?: boolean;
  /** Factor on all step sizes: 2 for inputs sampled half as often as in training. Default 1. */
  readonly stepRescale?: number;
}

function discrete({ lambda, logStep, B, C, D }: S5System, options: S5Options): Mimo {
  const { discretization = 'zoh', conjSym = true, clipEigs = false, stepRescale = 1 } = options;
  const rates = clipEigs ? { re: minimum(lambda.re, -1e-4), im: lambda.im } : lambda;
  const step = exp(logStep).mul(stepRescale);
  const { a, b } = discretizations[discretization](rates, step);
  return {
    ...(discretization === 'zoh' ? { log: scaled(rates, step) } : {}),
    a,
    B: times({ re: expandDims(b.re, 1), im: expandDims(b.im, 1) }, B),
    C: conjSym ? scaled(C, 2) : C,
    D,
  };
}

/**
 * S5's state space as a scan over positions, from a state to a state.
 *
 *   h_t = a ∘ h_{t−1} + (b ∘ B) u_t        y_t = 2 Re(C h_t) + D ∘ u_t
 *
 * @param u   [B, T, H]
 * @param options  h0 { re, im } [B, P], reverse, and how the system becomes discrete
 * @returns   y [B, T, H] and the last state { re, im } [B, P]
 * @throws ShapeError
 * @see Smith, Warrington, Linderman 2023, arXiv:2208.04933, section 3
 */
export function s5Scan(
  u: Tensor,
  system: S5System,
  options: S5Options & MimoScanOptions = {},
): [y: Tensor, h: Complex] {
  checkMimo('s5Scan', system.logStep, system, 'P', u);
  return scope(() => mimoScan(u, discrete(system, options), options));
}

/** One position of `s5Scan`: u [B, H], h { re, im } [B, P]. */
export function s5Step(
  u: Tensor,
  system: S5System,
  h: Complex,
  options: S5Options = {},
): [y: Tensor, h: Complex] {
  checkMimo('s5Step', system.logStep, system, 'P', u, 2);
  return scope(() => mimoStep(u, discrete(system, options), h));
}

/** `s5Scan` from no state as a convolution of any length, through Fourier transforms: y [B, T, H]. */
export function s5Convolution(u: Tensor, system: S5System, options: S5Options = {}): Tensor {
  checkMimo('s5Convolution', system.logStep, system, 'P', u);
  return scope(() => mimoConvolution(u, discrete(system, options)));
}

/**
 * Impulse responses, of each output to each input: K_l = 2 Re(C a^l (b ∘ B)).
 * Data to look at; `s5Convolution` does without it.
 *
 * @param L  positions, a positive integer
 * @returns  [H, H, L], outputs first, without the D that goes past the states
 * @throws OptionError, ShapeError
 */
export function s5Kernel(system: S5System, L: number, options: S5Options = {}): Tensor {
  checkLength('s5Kernel', L);
  checkMimo('s5Kernel', system.logStep, system, 'P');
  return scope(() => mimoKernel(discrete(system, options), L));
}
