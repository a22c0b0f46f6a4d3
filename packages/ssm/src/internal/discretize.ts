import {
  abs,
  cos,
  exp,
  expm1,
  lt,
  mul,
  ones,
  onesLike,
  scope,
  sin,
  square,
  where,
  zerosLike,
} from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { complexExp, quotient, scaled, times } from './complex.js';

/** A discrete state space h ← a h + b u of a continuous one h' = λ h + u. */
export interface Discrete {
  /** a, what is left of a state after a step. */
  readonly a: Complex;
  /** b, what a unit of input adds in a step. */
  readonly b: Complex;
}

/** Turns rates λ and step sizes Δ, which broadcast, into a discrete state space. */
export type Discretization = (lambda: Complex, step: Tensor) => Discrete;

const plus = (z: Complex, real: number): Complex => ({ re: z.re.add(real), im: z.im });

/** Euler's rule: a = 1 + Δ λ, b = Δ. Stable only while |1 + Δ λ| ≤ 1. */
export const euler: Discretization = (lambda, step) =>
  scope(() => {
    const z = scaled(lambda, step);
    return { a: plus(z, 1), b: { re: mul(onesLike(z.re), step), im: zerosLike(z.im) } };
  });

/** Bilinear rule (Tustin): a = (1 + Δ λ / 2) / (1 − Δ λ / 2), b = Δ / (1 − Δ λ / 2). Stable whenever Re λ < 0. */
export const bilinear: Discretization = (lambda, step) =>
  scope(() => {
    const half = scaled(lambda, mul(step, 0.5));
    const below = { re: half.re.neg().add(1), im: half.im.neg() };
    const unit = { re: onesLike(half.re), im: zerosLike(half.im) };
    const inverse = quotient(unit, below);
    return { a: times(plus(half, 1), inverse), b: scaled(inverse, step) };
  });

/** Zero-order hold: a = e^{Δ λ}, b = (e^{Δ λ} − 1) / λ. Exact for an input that is constant during a step. */
export const zeroOrderHold: Discretization = (lambda, step) =>
  scope(() => {
    const z = scaled(lambda, step);
    return { a: complexExp(z), b: scaled(growth(z), step) };
  });

/**
 * φ(z) = (e^z − 1) / z, which is 1 at 0.
 *
 * Below |z| = 0.1 the series 1 + z/2 + z²/6 + …, to the last place of the element type; above it the quotient, whose
 * numerator keeps its digits (`expm1`), so that value and gradient are good everywhere.
 */
export function growth(z: Complex): Complex {
  return scope(() => {
    const terms = z.re.dtype === 'f64' ? 10 : 5;
    let series: Complex = { re: ones([], { dtype: z.re.dtype, device: z.re.device }), im: zerosLike(z.im) };
    for (let k = terms; k > 1; k--) series = plus(scaled(times(series, z), 1 / k), 1);
    const small = lt(abs(z.re).maximum(abs(z.im)), 0.07);
    // Where the series serves the quotient sees 1, so that its gradient is no 0 / 0.
    const far = { re: where(small, onesLike(z.re), z.re), im: where(small, zerosLike(z.im), z.im) };
    const grown = expm1(far.re);
    const top = {
      // e^x cos y − 1 = (e^x − 1) cos y − 2 sin²(y / 2)
      re: grown.mul(cos(far.im)).sub(mul(square(sin(mul(far.im, 0.5))), 2)),
      im: exp(far.re).mul(sin(far.im)),
    };
    const ratio = quotient(top, far);
    return { re: where(small, series.re, ratio.re), im: where(small, series.im, ratio.im) };
  });
}

/** The rules by name. */
export const discretizations: {
  readonly euler: Discretization;
  readonly bilinear: Discretization;
  readonly zoh: Discretization;
} = {
  euler,
  bilinear,
  zoh: zeroOrderHold,
};
