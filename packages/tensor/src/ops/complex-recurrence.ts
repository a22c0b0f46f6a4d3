import { apply, elements } from '../engine/apply.js';
import { DTypeError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import type { CpuCall, CpuView, Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import type { Complex } from './fft.js';
import { concat } from './shape.js';

/** How a recurrence runs. */
export interface ComplexRecurrenceAttrs {
  /** From the last position to the first. */
  readonly reverse: boolean;
  /** The factor of a step is the one that stands at the position before it: what gradients need. */
  readonly shifted: boolean;
}

/** (x y) or (x ȳ) of complex numbers. */
function product(x: Complex, y: Complex, conjugate: boolean): Complex {
  const [a, b] = conjugate ? [y.re, y.im.neg()] : [y.re, y.im];
  return { re: x.re.mul(a).sub(x.im.mul(b)), im: x.re.mul(b).add(x.im.mul(a)) };
}

/**
 * h_t = a_t h_{t−1} + x_t in complex numbers: inputs ar, ai, xr, xi and, optionally, the h before the first position.
 *
 * x is [P, T, Q], a the same with any axis 1 instead where it does not change, h [P, Q]; outputs re, im [P, T, Q].
 */
export const complexRecurrenceOp: Op<ComplexRecurrenceAttrs> =
  /* @__PURE__ */ defineOp<ComplexRecurrenceAttrs>({
    name: 'complexRecurrence',
    infer: ([, , xr, xi]) => [
      { shape: xr.shape, dtype: xr.dtype },
      { shape: xi.shape, dtype: xi.dtype },
    ],
    cpu: recur,
    vjp({ inputs, outputs, cotangents: [gr, gi], attrs, needs }) {
      const [ar, ai, xr, , hr, hi] = inputs;
      const zero = (): Tensor => xr.zeros();
      const turned = { reverse: !attrs.reverse, shifted: !attrs.shifted };
      // λ_t = g_t + ā_{t+1} λ_{t+1}
      const back = apply(complexRecurrenceOp, [ar, ai.neg(), gr ?? zero(), gi ?? zero()], turned) as Tensor[];
      const lambda = { re: back[0], im: back[1] };
      const grads: (Tensor | null)[] = [null, null, lambda.re, lambda.im];
      if (needs[0] || needs[1]) {
        const h = { re: outputs[0], im: outputs[1] };
        const first = hr && { re: hr.expandDims(1), im: hi.expandDims(1) };
        const late = (z: Complex, edge?: Complex): Complex => ({
          re: before(z.re, edge?.re, attrs.reverse),
          im: before(z.im, edge?.im, attrs.reverse),
        });
        const early = (z: Complex): Complex => ({
          re: before(z.re, undefined, !attrs.reverse),
          im: before(z.im, undefined, !attrs.reverse),
        });
        const da = attrs.shifted ? product(early(lambda), h, true) : product(lambda, late(h, first), true);
        grads[0] = sumTo(da.re, ar.shape);
        grads[1] = sumTo(da.im, ai.shape);
      }
      if (hr) {
        const T = xr.shape[1];
        const t = attrs.reverse ? T - 1 : 0;
        const pick = (z: Tensor): Tensor => z.at(z.shape[1] === 1 ? 0 : t, 1);
        const d =
          T === 0
            ? { re: hr.zeros(), im: hi.zeros() }
            : product({ re: pick(lambda.re), im: pick(lambda.im) }, { re: pick(ar), im: pick(ai) }, true);
        grads.push(d.re, d.im);
      }
      return grads.map((g, i) => (needs[i] ? g : null));
    },
    cost: (_, outputs) => ({ flops: 4 * elements(outputs) }),
  });

/** What stood one position earlier in the order of the loop; `first` (0 by default) before all. */
function before(h: Tensor, first: Tensor | undefined, reverse: boolean): Tensor {
  const T = h.shape[1];
  if (T === 0) return h;
  const edge = first ?? h.slice(1, 0, 1).zeros();
  return reverse ? concat([h.slice(1, 1), edge], 1) : concat([edge, h.slice(1, 0, T - 1)], 1);
}

/** The sum over the axes where `shape` has 1. */
function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  const axes = [0, 1, 2].filter((i) => shape[i] === 1 && x.shape[i] !== 1);
  return axes.length === 0 ? x : x.sum(axes, { keepDims: true });
}

/** Distance of neighbours along each axis, 0 where there is one for all. */
function stepsOf({ shape }: CpuView): number[] {
  const strides = [shape[1] * shape[2], shape[2], 1];
  return strides.map((s, i) => (shape[i] === 1 ? 0 : s));
}

function recur({ inputs, outputs, attrs }: CpuCall<ComplexRecurrenceAttrs>): void {
  const { reverse, shifted } = attrs;
  const [ar, ai, xr, xi, hr, hi] = inputs;
  const [or, oi] = outputs;
  const [P, T, Q] = xr.shape;
  const [aP, aT, aQ] = stepsOf(ar);
  const late = reverse ? Q : -Q;
  for (let p = 0; p < P; p++) {
    for (let n = 0; n < T; n++) {
      const t = reverse ? T - 1 - n : n;
      const factor = p * aP + (shifted ? (reverse ? t + 1 : t - 1) : t) * aT;
      const row = (p * T + t) * Q;
      for (let q = 0; q < Q; q++) {
        let [re, im] = [xr.data[xr.offset + row + q], xi.data[xi.offset + row + q]];
        if (n > 0 || (hr !== undefined && !shifted)) {
          const at = row + late + q;
          const [br, bi] =
            n > 0
              ? [or.data[or.offset + at], oi.data[oi.offset + at]]
              : [hr.data[hr.offset + p * Q + q], hi.data[hi.offset + p * Q + q]];
          const [fr, fi] = [ar.data[ar.offset + factor + q * aQ], ai.data[ai.offset + factor + q * aQ]];
          re += fr * br - fi * bi;
          im += fr * bi + fi * br;
        }
        or.data[or.offset + row + q] = re;
        oi.data[oi.offset + row + q] = im;
      }
    }
  }
}

/** Options of `complexRecurrence`. */
export interface ComplexRecurrenceOptions {
  /** h before the first position: the shape of x without the axis. Default 0. */
  initial?: Complex;
  /** Time axis. Default 1. */
  axis?: number;
  /** From the last position to the first: h_t = a_t h_{t+1} + x_t. Default false. */
  reverse?: boolean;
}

/**
 * First-order linear recurrence in complex numbers, element by element: h_t = a_t ∘ h_{t−1} + x_t.
 *
 * The gradient is the same recurrence backwards: λ_t = g_t + ā_{t+1} λ_{t+1}, dx = λ, da_t = λ_t h̄_{t−1}, real and
 * imaginary parts being separate real numbers.
 *
 * @param a        { re, im }, broadcastable to x
 * @param x        { re, im } [B, T, ...] f32 or f64, any T ≥ 0
 * @param options.initial  { re, im } [B, ...]
 * @returns        h { re, im }, the shape of x
 * @throws ShapeError, DTypeError
 */
export function complexRecurrence(
  a: Complex,
  x: Complex,
  { initial, axis = 1, reverse = false }: ComplexRecurrenceOptions = {},
): Complex {
  const where = 'complexRecurrence';
  const { shape, dtype } = x.re;
  const t = normalizeAxis(where, axis, shape.length);
  const all = [a.re, a.im, x.re, x.im, ...(initial ? [initial.re, initial.im] : [])];
  if ((dtype !== 'f32' && dtype !== 'f64') || all.some((y) => y.dtype !== dtype))
    throw new DTypeError(
      `${where}: a, x and initial must be all f32 or all f64, got ${all.map((y) => y.dtype).join(', ')}. Use cast().`,
    );
  const rest = shape.filter((_, i) => i !== t);
  const lead = shape.length - a.re.shape.length;
  const fits =
    show(x.im.shape) === show(shape) &&
    show(a.im.shape) === show(a.re.shape) &&
    lead >= 0 &&
    a.re.shape.every((d, i) => d === 1 || d === shape[i + lead]) &&
    (!initial || (show(initial.re.shape) === show(rest) && show(initial.im.shape) === show(rest)));
  if (!fits)
    throw new ShapeError(
      `${where}: both parts of x must have one shape, a must broadcast to it and initial be x without axis ${axis}, got ${all.map((y) => show(y.shape)).join(', ')}.`,
    );
  return scope(() => {
    const size = (list: readonly number[]): number => list.reduce((n, d) => n * d, 1);
    const [P, T, Q] = [size(shape.slice(0, t)), shape[t], size(shape.slice(t + 1))];
    const full = [...new Array<number>(lead).fill(1), ...a.re.shape];
    // The three parts of the shape; one that is 1 in some axes and not in others is repeated.
    const parts = [full.slice(0, t), [full[t]], full.slice(t + 1)];
    const wanted = [shape.slice(0, t), [T], shape.slice(t + 1)];
    const target = parts.map((d, i) => (d.every((n) => n === 1) ? d : wanted[i]));
    const factor = (y: Tensor): Tensor => y.broadcastTo(target.flat()).reshape(target.map(size));
    const inputs = [
      factor(a.re),
      factor(a.im),
      x.re.reshape([P, T, Q]),
      x.im.reshape([P, T, Q]),
      ...(initial ? [initial.re.reshape([P, Q]), initial.im.reshape([P, Q])] : []),
    ];
    const [re, im] = apply(complexRecurrenceOp, inputs, { reverse, shifted: false }) as Tensor[];
    return { re: re.reshape(shape), im: im.reshape(shape) };
  });
}
