import { exp, expandDims, neg, scope } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { complexExp, scaled } from '../internal/complex.js';
import { checkLength } from '../internal/kernel.js';
import { checkMimo, mimoConvolution, mimoKernel, mimoScan, mimoStep } from '../internal/mimo.js';
import type { Mimo, MimoScanOptions } from '../internal/mimo.js';

/** A linear recurrent unit of N complex states over H channels. */
export type LruSystem = {
  /** [N] |λ| = e^(−e^nu), always below 1 */
  readonly nu: Tensor;
  /** [N] the angle of λ is e^theta */
  readonly theta: Tensor;
  /** [N] log of what inputs are multiplied by; begins as √(1 − |λ|²), so that states keep the size of inputs */
  readonly gammaLog: Tensor;
  /** [N, H] */
  readonly B: Complex;
  /** [H, N] */
  readonly C: Complex;
  /** [H] */
  readonly D: Tensor;
};

function discrete({ nu, theta, gammaLog, B, C, D }: LruSystem): Mimo {
  const log = { re: neg(exp(nu)), im: exp(theta) };
  return { log, a: complexExp(log), B: scaled(B, expandDims(exp(gammaLog), 1)), C, D };
}

/**
 * Linear recurrent unit as a scan over positions, from a state to a state.
 *
 *   h_t = λ ∘ h_{t−1} + e^gammaLog ∘ (B u_t)        y_t = Re(C h_t) + D ∘ u_t        λ = e^(−e^nu + i e^theta)
 *
 * @param u   [B, T, H]
 * @param options  h0 { re, im } [B, N], reverse
 * @returns   y [B, T, H] and the last state { re, im } [B, N]
 * @throws ShapeError
 * @see Orvieto et al. 2023, arXiv:2303.06349, section 3
 */
export function lruScan(
  u: Tensor,
  system: LruSystem,
  options: MimoScanOptions = {},
): [y: Tensor, h: Complex] {
  checkMimo('lruScan', system.nu, system, 'N', u);
  return scope(() => mimoScan(u, discrete(system), options));
}

/** One position of `lruScan`: u [B, H], h { re, im } [B, N]. */
export function lruStep(u: Tensor, system: LruSystem, h: Complex): [y: Tensor, h: Complex] {
  checkMimo('lruStep', system.nu, system, 'N', u, 2);
  return scope(() => mimoStep(u, discrete(system), h));
}

/** `lruScan` from no state as a convolution of any length, through Fourier transforms: y [B, T, H]. */
export function lruConvolution(u: Tensor, system: LruSystem): Tensor {
  checkMimo('lruConvolution', system.nu, system, 'N', u);
  return scope(() => mimoConvolution(u, discrete(system)));
}

/**
 * Impulse responses, of each output to each input: K_l = Re(C λ^l (e^gammaLog ∘ B)).
 * Data to look at; `lruConvolution` does without it.
 *
 * @param L  positions, a positive integer
 * @returns  [H, H, L], outputs first, without the D that goes past the states
 * @throws OptionError, ShapeError
 */
export function lruKernel(system: LruSystem, L: number): Tensor {
  checkLength('lruKernel', L);
  checkMimo('lruKernel', system.nu, system, 'N');
  return scope(() => mimoKernel(discrete(system), L));
}
