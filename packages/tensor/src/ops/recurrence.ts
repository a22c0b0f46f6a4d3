import type { Tensor } from '../tensor.js';
import { kernelsOf } from '../cpu/kernel.js';
import { eachRow, planRows } from '../cpu/rows.js';
import { apply1, elements } from '../engine/apply.js';
import { DTypeError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import type { CpuCall, Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { concat } from './shape.js';

interface RecurrenceAttrs {
  readonly axis: number;
  /** From the last position to the first. */
  readonly reverse: boolean;
  /** The factor of a step is the one that stands at the position before it: what gradients need. */
  readonly shifted: boolean;
}

/**
 * h_t = a_t h_{t−1} + x_t from inputs a, x of one shape and, optionally, the h before the first position.
 *
 * Each h_t is rounded to the element type, so that a fold of single steps gives the same bits.
 */
export const linearRecurrenceOp: Op<RecurrenceAttrs> = /* @__PURE__ */ defineOp<RecurrenceAttrs>({
  name: 'linearRecurrence',
  strided: true,
  inplace: [1],
  infer: ([, x]) => ({ shape: x.shape, dtype: x.dtype }),
  cpu: recur,
  vjp({ inputs, outputs: [h], cotangents, attrs, needs }) {
    const [a, x, initial] = inputs;
    const { axis, reverse, shifted } = attrs;
    const T = x.shape[axis];
    const g = cotangents[0]!;
    const back = apply1(linearRecurrenceOp, [a, g], { axis, reverse: !reverse, shifted: !shifted });
    const grads: (Tensor | null)[] = [null, needs[1] ? back : null];
    if (needs[0]) grads[0] = shifted ? h.mul(after(back, attrs)) : back.mul(before(h, initial, attrs));
    if (initial !== undefined) {
      const first = reverse ? T - 1 : 0;
      grads.push(!needs[2] ? null : T === 0 ? initial.zeros() : a.at(first, axis).mul(back.at(first, axis)));
    }
    return grads;
  },
  cost: (_, outputs) => ({ flops: 2 * elements(outputs) }),
});

/** What stood one position earlier in the order of the loop; `first` (0 by default) before all. */
function before(h: Tensor, first: Tensor | undefined, { axis, reverse }: RecurrenceAttrs): Tensor {
  const T = h.shape[axis];
  if (T === 0) return h;
  const edge = first === undefined ? h.slice(axis, 0, 1).zeros() : first.expandDims(axis);
  return reverse ? concat([h.slice(axis, 1), edge], axis) : concat([edge, h.slice(axis, 0, T - 1)], axis);
}

/** What stands one position later in the order of the loop; 0 behind all. */
function after(h: Tensor, attrs: RecurrenceAttrs): Tensor {
  return before(h, undefined, { ...attrs, reverse: !attrs.reverse });
}

function recur(call: CpuCall<RecurrenceAttrs>): void {
  const { inputs, outputs, attrs, memo } = call;
  const { axis, reverse, shifted } = attrs;
  const [a, x, initial] = inputs;
  const out = outputs[0];
  const T = out.shape[axis];
  if (T === 0) return;
  const rest = (list: readonly number[]): number[] => list.filter((_, i) => i !== axis);
  memo.value ??= planRows(rest(out.shape), [
    rest(out.strides),
    rest(a.strides),
    rest(x.strides),
    initial === undefined ? rest(out.strides) : initial.strides,
  ]);
  const rows = memo.value as ReturnType<typeof planRows>;
  const [os, as, xs, hs] = rows.step;
  const side = out.data instanceof Float32Array && os === 1 && (xs === 1 || rows.n === 1);
  const kernels = side ? kernelsOf(call) : null;
  const sign = reverse ? -1 : 1;
  const [ot, at, xt] = [out.strides[axis], a.strides[axis], x.strides[axis]].map((s) => sign * s);
  const first = reverse ? T - 1 : 0;
  const oFirst = out.offset + first * out.strides[axis];
  const aFirst = a.offset + first * a.strides[axis] - (shifted ? at : 0);
  const xFirst = x.offset + first * x.strides[axis];
  eachRow(rows, [oFirst, aFirst, xFirst, initial?.offset ?? 0], (o, p, q, r) => {
    // The first position; its factor is not there when shifted.
    for (let i = 0; i < rows.n; i++) {
      const h0 = initial === undefined ? 0 : a.data[p + i * as] * initial.data[r + i * hs];
      out.data[o + i * os] = h0 + x.data[q + i * xs];
    }
    if (kernels !== null) {
      const [op, ap, xp] = [
        4 * o + out.data.byteOffset,
        4 * p + a.data.byteOffset,
        4 * q + x.data.byteOffset,
      ];
      kernels.recurRows(op, 4 * ot, ap, 4 * at, 4 * as, xp, 4 * xt, rows.n, T);
    } else if (os <= Math.abs(ot)) {
      for (let t = 1; t < T; t++) {
        steps(out.data, o + t * ot, os, ot, a.data, p + t * at, as, x.data, q + t * xt, xs, rows.n);
      }
    } else {
      for (let i = 0; i < rows.n; i++) {
        steps(
          out.data,
          o + i * os + ot,
          ot,
          ot,
          a.data,
          p + i * as + at,
          at,
          x.data,
          q + i * xs + xt,
          xt,
          T - 1,
        );
      }
    }
  });
}

type Numbers = CpuCall<unknown>['inputs'][number]['data'];

/** h[o] = a[p] h[o − back] + x[q], n times with these strides. */
function steps(
  h: Numbers,
  o: number,
  os: number,
  back: number,
  a: Numbers,
  p: number,
  as: number,
  x: Numbers,
  q: number,
  xs: number,
  n: number,
): void {
  for (let i = 0; i < n; i++, o += os, p += as, q += xs) h[o] = a[p] * h[o - back] + x[q];
}

/** Options of `linearRecurrence`. */
export interface LinearRecurrenceOptions {
  /** h before the first position: the shape of x without the axis. Default 0. */
  initial?: Tensor;
  /** Time axis. Default 1. */
  axis?: number;
  /** From the last position to the first: h_t = a_t h_{t+1} + x_t. Default false. */
  reverse?: boolean;
}

/**
 * First-order linear recurrence, element by element: h_t = a_t ∘ h_{t−1} + x_t.
 *
 * The gradient is the same recurrence backwards: λ_t = g_t + a_{t+1} λ_{t+1}, dx = λ, da_t = λ_t h_{t−1}.
 *
 * @param a        broadcastable to x
 * @param x        [B, T, ...] f32 or f64, any T ≥ 0
 * @param options.initial  [B, ...]
 * @returns        h, the shape of x
 * @throws ShapeError, DTypeError
 */
export function linearRecurrence(
  a: Tensor,
  x: Tensor,
  { initial, axis = 1, reverse = false }: LinearRecurrenceOptions = {},
): Tensor {
  const t = normalizeAxis('linearRecurrence', axis, x.shape.length);
  const all = initial === undefined ? [a, x] : [a, x, initial];
  if ((x.dtype !== 'f32' && x.dtype !== 'f64') || all.some((y) => y.dtype !== x.dtype)) {
    throw new DTypeError(
      `linearRecurrence: a, x and initial must be all f32 or all f64, got ${all.map((y) => y.dtype).join(', ')}. Use cast().`,
    );
  }
  const lead = x.shape.length - a.shape.length;
  if (lead < 0 || a.shape.some((d, i) => d !== 1 && d !== x.shape[i + lead])) {
    throw new ShapeError(`linearRecurrence: a must broadcast to x ${show(x.shape)}, got ${show(a.shape)}.`);
  }
  const rest = x.shape.filter((_, i) => i !== t);
  if (initial !== undefined && show(initial.shape) !== show(rest)) {
    throw new ShapeError(
      `linearRecurrence: initial must be x without axis ${axis}, ${show(rest)}, got ${show(initial.shape)}.`,
    );
  }
  return temporaries(() => {
    const inputs = [a.broadcastTo(x.shape), ...all.slice(1)];
    return apply1(linearRecurrenceOp, inputs, { axis: t, reverse, shifted: false });
  });
}
