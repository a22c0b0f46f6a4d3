import { fftCpu, fftLoops, fftScratch } from '../cpu/fft.js';
import type { FftAttrs } from '../cpu/fft.js';
import { isSmooth, paddedLength } from '../cpu/fft-plan.js';
import { tensor, zeros } from '../creation.js';
import { apply, elements } from '../engine/apply.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { concat, stack } from './shape.js';

/** Complex numbers as two real tensors of one shape. */
export type Complex = {
  readonly re: Tensor;
  readonly im: Tensor;
};

/**
 * The discrete Fourier transform along the last axis, of lengths that are products of 2, 3 and 5: inputs and outputs
 * re, im [..., N]. Its gradient is the transform with the other sign.
 */
export const fftOp: Op<FftAttrs> = /* @__PURE__ */ defineOp<FftAttrs>({
  name: 'fft',
  infer: ([re, im]) => [
    { shape: re.shape, dtype: re.dtype },
    { shape: im.shape, dtype: im.dtype },
  ],
  cpu: fftCpu,
  scratch: ([re]) => (re.shape.at(-1)! > 1 ? fftScratch(re.shape.at(-1)!) : 32),
  vjp({ inputs: [re], cotangents: [gr, gi], attrs }) {
    const none = (): Tensor => re.zeros();
    return apply(fftOp, [gr ?? none(), gi ?? none()], { ...attrs, inverse: !attrs.inverse }) as Tensor[];
  },
  cost: ([re]) => ({ flops: 5 * elements([re]) * Math.log2(Math.max(1, re.shape.at(-1)!)) }),
});

function check(where: string, { re, im }: Complex): void {
  if (re.dtype !== im.dtype || (re.dtype !== 'f32' && re.dtype !== 'f64'))
    throw new DTypeError(
      `${where}: both parts must be f32 or both f64, got ${re.dtype} and ${im.dtype}. Use cast().`,
    );
  if (show(re.shape) !== show(im.shape) || re.shape.length === 0)
    throw new ShapeError(
      `${where}: both parts must have one shape with an axis at least, got ${show(re.shape)} and ${show(im.shape)}.`,
    );
}

/** Options of the Fourier transforms. */
export interface FftOptions {
  /** Axis to transform along. Default −1. */
  axis?: number;
}

/**
 * Discrete Fourier transform along one axis: X_k = Σ_n x_n e^(−2πi n k / N).
 *
 * Any length N ≥ 0: products of 2, 3 and 5 by passes of these radices, others as a convolution with a chirp
 * (Bluestein 1970, "A linear filtering approach to the computation of the discrete Fourier transform"), which costs
 * about six times as much. The error is some units in the last place times log₂ N, relative to the norm of x.
 *
 * @param x  a tensor, read as real, or { re, im }; f32 or f64
 * @returns  { re, im } of the same shape
 * @throws ShapeError, DTypeError, IndexError
 */
export function fft(x: Tensor | Complex, options: FftOptions = {}): Complex {
  return transform('fft', x, options, { inverse: false, scale: 1 });
}

/**
 * Inverse of `fft`: x_n = (1/N) Σ_k X_k e^(2πi n k / N).
 *
 * @param x  { re, im }, or a tensor, read as real
 * @throws ShapeError, DTypeError, IndexError
 */
export function ifft(x: Tensor | Complex, options: FftOptions = {}): Complex {
  const first = 're' in x ? x.re : x;
  const N = first.shape[normalizeAxis('ifft', options.axis ?? -1, first.shape.length)];
  return transform('ifft', x, options, { inverse: true, scale: 1 / Math.max(1, N) });
}

function transform(where: string, x: Tensor | Complex, { axis = -1 }: FftOptions, attrs: FftAttrs): Complex {
  const pair = 're' in x ? x : { re: x, im: x.zeros() };
  check(where, pair);
  const a = normalizeAxis(where, axis, pair.re.shape.length);
  return scope(() => {
    const last = (t: Tensor): Tensor => t.swapAxes(a, t.shape.length - 1);
    const turned = { re: last(pair.re), im: last(pair.im) };
    const { re, im } = isSmooth(pair.re.shape[a]) ? smooth(turned, attrs) : bluestein(turned, attrs);
    return { re: last(re), im: last(im) };
  });
}

function smooth({ re, im }: Complex, attrs: FftAttrs): Complex {
  const [r, i] = apply(fftOp, [re, im], attrs) as Tensor[];
  return { re: r, im: i };
}

/** The product of complex numbers. */
export function times(a: Complex, b: Complex): Complex {
  return { re: a.re.mul(b.re).sub(a.im.mul(b.im)), im: a.re.mul(b.im).add(a.im.mul(b.re)) };
}

/** Along the last axis: to n elements, by zeros or a cut. */
export function resize(x: Tensor, n: number): Tensor {
  const axis = x.shape.length - 1;
  const more = n - x.shape[axis];
  if (more <= 0) return x.slice(axis, 0, n);
  const fill = zeros([...x.shape.slice(0, -1), more], { dtype: x.dtype, device: x.device });
  return concat([x, fill], axis);
}

/** X_k = w_k Σ_n (x_n w_n) w̄_{k−n} with w_n = e^(∓πi n² / N), since 2 n k = n² + k² − (k − n)². */
function bluestein(x: Complex, { inverse, scale }: FftAttrs): Complex {
  const N = x.re.shape[x.re.shape.length - 1];
  if (N === 0) return { re: x.re.alias(), im: x.im.alias() };
  const M = paddedLength(2 * N - 1);
  const sign = inverse ? 1 : -1;
  const angle = (n: number): number => (Math.PI * ((n * n) % (2 * N))) / N;
  const [wr, wi] = [new Float64Array(N), new Float64Array(N)];
  const [cr, ci] = [new Float64Array(M), new Float64Array(M)];
  for (let n = 0; n < N; n++) {
    wr[n] = Math.cos(angle(n));
    wi[n] = sign * Math.sin(angle(n));
    cr[n] = cr[(M - n) % M] = wr[n];
    ci[n] = ci[(M - n) % M] = -wi[n];
  }
  const [hr, hi] = fftLoops(M, [cr, ci], [new Float64Array(M), new Float64Array(M)]);
  const o = { dtype: x.re.dtype, device: x.re.device };
  const w = { re: tensor(wr, o), im: tensor(wi, o) };
  const response = { re: tensor(hr, o), im: tensor(hi, o) };
  const a = times(x, w);
  const spectrum = smooth({ re: resize(a.re, M), im: resize(a.im, M) }, { inverse: false, scale: 1 });
  const folded = smooth(times(spectrum, response), { inverse: true, scale: scale / M });
  return times({ re: resize(folded.re, N), im: resize(folded.im, N) }, w);
}

/** e^(sign πi k / h), k = 0 … n − 1. */
function unitCircle(n: number, h: number, sign: number, like: Tensor): Complex {
  const o = { dtype: like.dtype, device: like.device };
  const angle = (_: unknown, k: number): number => (Math.PI * k) / h;
  return {
    re: tensor(Float64Array.from({ length: n }, angle).map(Math.cos), o),
    im: tensor(
      Float64Array.from({ length: n }, angle).map((a) => sign * Math.sin(a)),
      o,
    ),
  };
}

/**
 * Fourier transform of real numbers along the last axis: the coefficients 0 … ⌊N/2⌋ of `fft`, which fix the others.
 *
 * Even lengths are one complex transform of half the length.
 *
 * @param x  [..., N], N ≥ 1, f32 or f64
 * @returns  { re, im } [..., ⌊N/2⌋ + 1]
 * @throws ShapeError, DTypeError
 */
export function rfft(x: Tensor): Complex {
  check('rfft', { re: x, im: x });
  const axis = x.shape.length - 1;
  const N = x.shape[axis];
  if (N === 0)
    throw new ShapeError(`rfft: the last axis must have an element at least, got ${show(x.shape)}.`);
  return scope(() => {
    const h = N >> 1;
    if (N % 2 === 1) {
      const { re, im } = fft(x);
      return { re: re.slice(axis, 0, h + 1), im: im.slice(axis, 0, h + 1) };
    }
    // z = even elements + i odd ones; each has the spectrum of a real sequence, so that their sum comes apart again.
    const z = fft({ re: x.slice(axis, 0, N, 2), im: x.slice(axis, 1, N, 2) });
    const around = (t: Tensor): Tensor => concat([t, t.slice(axis, 0, 1)], axis);
    const [re, im] = [around(z.re), around(z.im)];
    const [er, ei] = [re.add(re.flip(axis)).mul(0.5), im.sub(im.flip(axis)).mul(0.5)];
    const odd = { re: im.add(im.flip(axis)).mul(0.5), im: re.flip(axis).sub(re).mul(0.5) };
    const late = times(odd, unitCircle(h + 1, h, -1, x));
    return { re: er.add(late.re), im: ei.add(late.im) };
  });
}

/**
 * Inverse of `rfft`: N real numbers from their coefficients 0 … ⌊N/2⌋.
 *
 * The imaginary parts of coefficient 0 and, when N is even, of the last one have no meaning and are not looked at.
 *
 * @param X  { re, im } [..., ⌊N/2⌋ + 1], f32 or f64
 * @param N  ≥ 1
 * @returns  [..., N]
 * @throws ShapeError, DTypeError, OptionError
 */
export function irfft(X: Complex, N: number): Tensor {
  check('irfft', X);
  if (!Number.isInteger(N) || N < 1) throw new OptionError(`irfft: N must be a positive integer, got ${N}.`);
  const axis = X.re.shape.length - 1;
  const h = N >> 1;
  if (X.re.shape[axis] !== h + 1)
    throw new ShapeError(
      `irfft: ${N} numbers need coefficients [..., ${h + 1}], got ${show(X.re.shape)}. Give N as it was before rfft.`,
    );
  return scope(() => {
    const { re } = X;
    const edge = X.im.slice(axis, 0, 1).zeros();
    if (N === 1) return re.alias();
    const even = N % 2 === 0;
    const inner = X.im.slice(axis, 1, even ? h : h + 1);
    const im = concat(even ? [edge, inner, edge] : [edge, inner], axis);
    const mirror = (t: Tensor): Tensor => t.flip(axis);
    if (!even) {
      const upper = { re: mirror(re.slice(axis, 1)), im: mirror(im.slice(axis, 1)).neg() };
      return ifft({ re: concat([re, upper.re], axis), im: concat([im, upper.im], axis) }).re;
    }
    const first = (t: Tensor): Tensor => t.slice(axis, 0, h);
    const [er, ei] = [first(re.add(mirror(re)).mul(0.5)), first(im.sub(mirror(im)).mul(0.5))];
    const late = { re: first(re.sub(mirror(re)).mul(0.5)), im: first(im.add(mirror(im)).mul(0.5)) };
    const odd = times(late, unitCircle(h, h, 1, re));
    const z = ifft({ re: er.sub(odd.im), im: ei.add(odd.re) });
    return stack([z.re, z.im], axis + 1).reshape([...re.shape.slice(0, -1), N]);
  });
}
