import type { Tensor } from '../tensor.js';
import { kernelsOf } from '../cpu/kernel.js';
import { blockOf, eachRow, planRows } from '../cpu/rows.js';
import { apply1, elements } from '../engine/apply.js';
import type { Aval, Shape } from '../engine/dtype.js';
import { isFloat, sizeOf } from '../engine/dtype.js';
import { DTypeError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxes, normalizeAxis, stridesOf } from '../engine/layout.js';
import type { CpuCall, Op, VjpCall } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { defineOp } from '../engine/op.js';
import type { Kernels } from '../wasm/kernels.js';

interface ReduceAttrs {
  /** Sorted, from the front. */
  readonly axes: readonly number[];
}

/** Axes to reduce over; all of them when undefined. */
export type Axes = number | readonly number[];

/** `keepDims` leaves reduced axes with size 1. */
export interface ReduceOptions {
  keepDims?: boolean;
}

type Fold = (
  acc: Float64Array,
  oi: number,
  os: number,
  x: ArrayLike<number>,
  xi: number,
  xs: number,
  n: number,
) => void;

/** Rows of f32 side by side, folded by WebAssembly into `acc`; distances in bytes, n and rows in elements. */
type FastFold = (
  k: Kernels,
  acc: number,
  accStep: number,
  accRow: number,
  x: number,
  xRow: number,
  n: number,
  rows: number,
) => boolean;

/** Reduced axes stay with size 1; the public functions drop them by a view. */
function reduceOp(
  name: string,
  start: number,
  fold: Fold,
  vjp: (call: VjpCall<ReduceAttrs>, g: Tensor, x: Tensor, y: Tensor) => Tensor | null,
  check: (x: Aval) => string | undefined,
  fast?: FastFold,
): Op<ReduceAttrs> {
  return defineOp<ReduceAttrs>({
    name,
    strided: true,
    infer([x], { axes }) {
      const want = check(x);
      if (want !== undefined)
        throw new DTypeError(`${name}: the element type must be ${want}, got ${x.dtype}. Use cast() first.`);
      return { shape: x.shape.map((d, i) => (axes.includes(i) ? 1 : d)), dtype: x.dtype };
    },
    scratch: ([x], { axes }) => 8 * sizeOf(x.shape.map((d, i) => (axes.includes(i) ? 1 : d))),
    cpu(call) {
      const [x, o] = [call.inputs[0], call.outputs[0]];
      const size = sizeOf(o.shape);
      const acc = call.scratch;
      acc.fill(start, 0, size);
      const rows = reduceRows(call);
      const [os, xs] = rows.step as [number, number];
      const kernels = fast !== undefined && x.data instanceof Float32Array ? kernelsOf(call) : null;
      if (kernels !== null && xs === 1) {
        const block = blockOf(rows);
        const [ar, xr] = block.strides as [number, number];
        const [ap, xp, n] = [acc.byteOffset, x.data.byteOffset, rows.n];
        eachRow(block.plan, [0, x.offset], (oi, xi) => {
          if (fast!(kernels, ap + 8 * oi, 8 * os, 8 * ar, xp + 4 * xi, 4 * xr, n, block.rows)) return;
          for (let r = 0; r < block.rows; r++) fold(acc, oi + r * ar, os, x.data, xi + r * xr, xs, n);
        });
      } else eachRow(rows, [0, x.offset], (oi, xi) => fold(acc, oi, os, x.data, xi, xs, rows.n));
      for (let i = 0; i < size; i++) o.data[o.offset + i] = acc[i]!;
    },
    vjp: (call) => [vjp(call, call.cotangents[0]!, call.inputs[0], call.outputs[0])],
    cost: (inputs) => ({ flops: elements(inputs) }),
  });
}

function reduceRows(call: CpuCall<ReduceAttrs>): ReturnType<typeof planRows> {
  const memo = call.memo as { value?: ReturnType<typeof planRows> };
  const [x, o] = [call.inputs[0], call.outputs[0]];
  return (memo.value ??= planRows(x.shape, [
    stridesOf(o.shape).map((s, i) => (call.attrs.axes.includes(i) ? 0 : s)),
    x.strides,
  ]));
}

const numbers = (x: Aval): string | undefined =>
  x.dtype === 'bool' || x.dtype === 'f16' ? 'a number type' : undefined;
const anyType = (x: Aval): string | undefined => (x.dtype === 'f16' ? 'any type but f16' : undefined);

/** The op of `sum`. */
export const sumOp: Op<ReduceAttrs> = /* @__PURE__ */ reduceOp(
  'sum',
  0,
  (acc, oi, os, x, xi, xs, n) => {
    if (os === 0) {
      let s = acc[oi];
      for (let i = 0; i < n; i++, xi += xs) s += x[xi];
      acc[oi] = s;
    } else for (let i = 0; i < n; i++, oi += os, xi += xs) acc[oi] += x[xi];
  },
  (_, g, x) => g.broadcastTo(x.shape),
  numbers,
  (k, acc, accStep, accRow, x, xRow, n, rows) => {
    if (accStep === 0) k.sumRows(acc, accRow, x, xRow, n, rows);
    else if (accStep === 8 && accRow === 0) k.addRowsTo(acc, x, xRow, n, rows);
    else return false;
    return true;
  },
);

const tie = (g: Tensor, x: Tensor, y: Tensor, axes: readonly number[]): Tensor => {
  const hit = x.eq(y).cast(x.dtype);
  return hit.mul(g.div(hit.sum(axes, { keepDims: true })));
};

/** The op of `max`. */
export const maxOp: Op<ReduceAttrs> = /* @__PURE__ */ reduceOp(
  'max',
  -Infinity,
  (acc, oi, os, x, xi, xs, n) => {
    for (let i = 0; i < n; i++, oi += os, xi += xs) acc[oi] = Math.max(acc[oi], x[xi]);
  },
  (call, g, x, y) => tie(g, x, y, call.attrs.axes),
  anyType,
  (k, acc, accStep, accRow, x, xRow, n, rows) => {
    if (accStep === 0) k.maxRowsTo(acc, accRow, x, xRow, n, rows);
    return accStep === 0;
  },
);
/** The op of `min`. */
export const minOp: Op<ReduceAttrs> = /* @__PURE__ */ reduceOp(
  'min',
  Infinity,
  (acc, oi, os, x, xi, xs, n) => {
    for (let i = 0; i < n; i++, oi += os, xi += xs) acc[oi] = Math.min(acc[oi], x[xi]);
  },
  (call, g, x, y) => tie(g, x, y, call.attrs.axes),
  anyType,
);
/** The op of `prod`. */
export const prodOp: Op<ReduceAttrs> = /* @__PURE__ */ reduceOp(
  'prod',
  1,
  (acc, oi, os, x, xi, xs, n) => {
    for (let i = 0; i < n; i++, oi += os, xi += xs) acc[oi] *= x[xi];
  },
  ({ attrs: { axes } }, g, x) => {
    const zero = x.eq(0);
    const zeros = zero.cast(x.dtype).sum(axes, { keepDims: true });
    const rest = zero.where(1, x);
    const p = rest.prod(axes, { keepDims: true });
    const others = zero.where(zeros.eq(1).where(p, 0), zeros.eq(0).where(p.div(rest), 0));
    return g.mul(others);
  },
  numbers,
);

/** Index of the largest (or smallest) element of the last axis, the first of equals. */
const argOp = (name: string, better: (a: number, b: number) => boolean): Op<null> =>
  defineOp<null>({
    name,
    infer([x]) {
      const n = x.shape[x.shape.length - 1];
      if (n === 0) throw new ShapeError(`${name}: the axis must not be empty, got ${show(x.shape)}.`);
      if (x.dtype === 'f16')
        throw new DTypeError(`${name}: the element type must be any type but f16. Use cast() first.`);
      return { shape: x.shape.slice(0, -1), dtype: 'i32' };
    },
    cpu({ inputs, outputs }) {
      const [x, o] = [inputs[0], outputs[0]];
      const n = x.shape[x.shape.length - 1];
      const rows = sizeOf(o.shape);
      for (let r = 0, xi = x.offset; r < rows; r++, xi += n) {
        let best = 0;
        for (let i = 1; i < n; i++) if (better(x.data[xi + i], x.data[xi + best])) best = i;
        o.data[o.offset + r] = best;
      }
    },
    cost: (inputs) => ({ flops: elements(inputs) }),
  });
/** The op of `argMax`. */
export const argMaxOp: Op<null> = /* @__PURE__ */ argOp('argMax', (a, b) => a > b);
/** The op of `argMin`. */
export const argMinOp: Op<null> = /* @__PURE__ */ argOp('argMin', (a, b) => a < b);

function reduce(op: Op<ReduceAttrs>, x: Tensor, axes: Axes | undefined, keepDims: boolean): Tensor {
  return temporaries(() => {
    const list = normalizeAxes(op.name, axes, x.shape.length);
    if (list.length === 0) return x.alias();
    const y = apply1(op, [x], { axes: list });
    return keepDims ? y : y.reshape(x.shape.filter((_, i) => !list.includes(i)));
  });
}

function nonEmpty(name: string, x: Tensor, axes: Axes | undefined): void {
  if (normalizeAxes(name, axes, x.shape.length).some((a) => x.shape[a] === 0)) {
    throw new ShapeError(
      `${name}: the reduced axes must not be empty, got ${show(x.shape)}. An empty ${name} has no value.`,
    );
  }
}

/** Sum over axes; accumulated in double precision. */
export function sum(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  return reduce(sumOp, x, axes, keepDims);
}
/** Arithmetic mean over axes (floats). */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return temporaries(() => {
    if (!isFloat(x.dtype))
      throw new DTypeError(`mean: the element type must be a float, got ${x.dtype}. Use cast('f32') first.`);
    const n = normalizeAxes('mean', axes, x.shape.length).reduce((p, a) => p * x.shape[a], 1);
    return sum(x, axes, options).div(n);
  });
}
/** Largest element over axes; equals share the gradient. */
export function max(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  nonEmpty('max', x, axes);
  return reduce(maxOp, x, axes, keepDims);
}
/** Smallest element over axes; equals share the gradient. */
export function min(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  nonEmpty('min', x, axes);
  return reduce(minOp, x, axes, keepDims);
}
/** Product over axes. */
export function prod(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  return reduce(prodOp, x, axes, keepDims);
}
/** Biased variance over axes: mean((x − mean x)²). */
export function variance(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return temporaries(() => {
    return mean(x.sub(mean(x, axes, { keepDims: true })).square(), axes, options);
  });
}
/** True where any element is (bool). */
export function any(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  if (x.dtype !== 'bool') throw new DTypeError(`any: x must be bool, got ${x.dtype}. Compare it first.`);
  return reduce(maxOp, x, axes, keepDims);
}
/** True where all elements are (bool), so also where there are none. */
export function all(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  if (x.dtype !== 'bool') throw new DTypeError(`all: x must be bool, got ${x.dtype}. Compare it first.`);
  return temporaries(() => reduce(maxOp, x.not(), axes, keepDims).not());
}
/** Index of the largest element of an axis → i32; the first of equals. */
export function argMax(x: Tensor, axis: number = -1): Tensor {
  return temporaries(() => apply1(argMaxOp, [lastAxis('argMax', x, axis)], null));
}
/** Index of the smallest element of an axis → i32; the first of equals. */
export function argMin(x: Tensor, axis: number = -1): Tensor {
  return temporaries(() => apply1(argMinOp, [lastAxis('argMin', x, axis)], null));
}
function lastAxis(name: string, x: Tensor, axis: number): Tensor {
  return temporaries(() => {
    const a = normalizeAxis(name, axis, x.shape.length);
    return a === x.shape.length - 1 ? x : x.transpose([...x.shape.keys()].filter((i) => i !== a).concat(a));
  });
}

/** Sums what broadcasting repeated: the gradient of broadcasting to x's shape from `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  return temporaries(() => {
    const lead = x.shape.length - shape.length;
    const axes: number[] = [];
    x.shape.forEach((d, i) => {
      if (i < lead || (shape[i - lead] === 1 && d !== 1)) axes.push(i);
    });
    if (axes.length === 0) return x;
    return apply1(sumOp, [x], { axes }).reshape(shape);
  });
}
