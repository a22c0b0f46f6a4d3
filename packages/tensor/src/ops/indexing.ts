import type { Tensor } from '../tensor.js';
import { address, kernelsOf } from '../cpu/kernel.js';
import { apply1 } from '../engine/apply.js';
import type { Aval, DType } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, IndexError, OptionError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import type { CpuView, Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { copyOver } from './shape.js';

function checkIndices(name: string, idx: Aval, what = 'indices'): void {
  if (idx.dtype !== 'i32')
    throw new DTypeError(`${name}: ${what} must be i32, got ${idx.dtype}. Use cast('i32').`);
}

function outOfRange(name: string, value: number, size: number, at: number): never {
  throw new IndexError(
    `${name}: index must be in [0, ${size - 1}], got ${value} (element ${at} of the indices).`,
  );
}

const free = (): { flops: number } => ({ flops: 0 });
/** [P, N, Q]: an axis, and how many elements lie before and behind it. */
const around = ({ shape }: CpuView, axis: number): [P: number, N: number, Q: number] => [
  sizeOf(shape.slice(0, axis)),
  shape[axis],
  sizeOf(shape.slice(axis + 1)),
];

/** Refuses two types of elements. */
function checkSame(name: string, a: Aval, b: Aval): void {
  if (a.dtype !== b.dtype)
    throw new DTypeError(
      `${name}: element types must agree, got ${a.dtype} and ${b.dtype}. Use cast() on one of them.`,
    );
}

/** Sums are of numbers: f16 is a storage type. */
function checkSum(name: string, { dtype }: Aval): void {
  if (dtype === 'f16' || dtype === 'bool')
    throw new DTypeError(
      `${name}: the element type must be a number type, got ${dtype}. Use cast('f32') first.`,
    );
}

interface AxisAttrs {
  readonly axis: number;
}

/** Slices of x picked by index: x [P, N, Q], indices [I] → [P, I, Q]. */
export const gatherOp: Op<AxisAttrs> = /* @__PURE__ */ defineOp<AxisAttrs>({
  name: 'gather',
  throws: true,
  infer([x, idx], { axis }) {
    checkIndices('gather', idx);
    return { shape: [...x.shape.slice(0, axis), ...idx.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype };
  },
  cpu(call) {
    const { inputs, outputs } = call;
    const { axis } = call.attrs;
    const [x, idx, o] = [inputs[0], inputs[1], outputs[0]];
    const [P, N, Q] = around(x, axis);
    const I = sizeOf(idx.shape);
    const kernels = x.data.BYTES_PER_ELEMENT === 4 ? kernelsOf(call) : null;
    if (kernels !== null) {
      const wrong = kernels.gatherRows(address(o), address(x), address(idx), P, N, I, 4 * Q);
      if (wrong >= 0) outOfRange('gather', idx.data[idx.offset + wrong], N, wrong);
      return;
    }
    for (let p = 0, oi = o.offset; p < P; p++) {
      for (let k = 0; k < I; k++, oi += Q) {
        const j = idx.data[idx.offset + k];
        if (j < 0 || j >= N) outOfRange('gather', j, N, k);
        const xi = x.offset + (p * N + j) * Q;
        for (let q = 0; q < Q; q++) o.data[oi + q] = x.data[xi + q]!;
      }
    }
  },
  vjp({ inputs, cotangents, attrs }) {
    const [x, idx] = [inputs[0], inputs[1]];
    return [apply1(scatterAddOp, [x.zeros(), idx, cotangents[0]!], attrs), null];
  },
  cost: free,
});

/** x with updates added at indexed slices, in the order of the updates. */
export const scatterAddOp: Op<AxisAttrs> = /* @__PURE__ */ defineOp<AxisAttrs>({
  name: 'scatterAdd',
  throws: true,
  inplace: [0],
  infer([x, idx, u], { axis }) {
    checkIndices('scatterAdd', idx);
    checkSum('scatterAdd', x);
    checkSame('scatterAdd', x, u);
    const want = [...x.shape.slice(0, axis), ...idx.shape, ...x.shape.slice(axis + 1)];
    if (want.length !== u.shape.length || want.some((d, i) => d !== u.shape[i])) {
      throw new ShapeError(
        `scatterAdd: updates must be ${show(want)} for x ${show(x.shape)} and indices ${show(idx.shape)}, got ${show(u.shape)}.`,
      );
    }
    return { shape: x.shape, dtype: x.dtype };
  },
  cpu(call) {
    const { inputs, outputs } = call;
    const { axis } = call.attrs;
    const [x, idx, u, o] = [inputs[0], inputs[1], inputs[2], outputs[0]];
    const [P, N, Q] = around(x, axis);
    const I = sizeOf(idx.shape);
    copyOver(x, o);
    const kernels = x.data instanceof Float32Array ? kernelsOf(call) : null;
    if (kernels !== null) {
      const wrong = kernels.scatterRows(address(o), address(u), address(idx), P, N, I, Q);
      if (wrong >= 0) outOfRange('scatterAdd', idx.data[idx.offset + wrong], N, wrong);
      return;
    }
    for (let p = 0, ui = u.offset; p < P; p++) {
      for (let k = 0; k < I; k++, ui += Q) {
        const j = idx.data[idx.offset + k];
        if (j < 0 || j >= N) outOfRange('scatterAdd', j, N, k);
        const oi = o.offset + (p * N + j) * Q;
        for (let q = 0; q < Q; q++) o.data[oi + q] += u.data[ui + q];
      }
    }
  },
  vjp({ inputs, cotangents, attrs, needs }) {
    const g = cotangents[0]!;
    return [needs[0] ? g : null, null, needs[2] ? apply1(gatherOp, [g, inputs[1]], attrs) : null];
  },
  cost: (inputs) => ({ flops: sizeOf(inputs[2].shape) }),
});

/** One element per index along an axis: o[p, i, q] = x[p, indices[p, i, q], q]. */
export const takeAlongOp: Op<AxisAttrs> = /* @__PURE__ */ defineOp<AxisAttrs>({
  name: 'takeAlong',
  throws: true,
  infer([x, idx], { axis }) {
    checkIndices('takeAlong', idx);
    if (idx.shape.length !== x.shape.length || idx.shape.some((d, i) => i !== axis && d !== x.shape[i])) {
      throw new ShapeError(
        `takeAlong: indices must match x outside axis ${axis}, got ${show(x.shape)} and ${show(idx.shape)}.`,
      );
    }
    return { shape: idx.shape, dtype: x.dtype };
  },
  cpu({ inputs, outputs, attrs: { axis } }) {
    const [x, idx, o] = [inputs[0], inputs[1], outputs[0]];
    walkAlong('takeAlong', x, idx, axis, (k, xi) => {
      o.data[o.offset + k] = x.data[x.offset + xi]!;
    });
  },
  vjp: ({ inputs, cotangents, attrs }) => [
    apply1(addAlongOp, [inputs[0].zeros(), inputs[1], cotangents[0]!], attrs),
    null,
  ],
  cost: free,
});

/** x with one update added per index along an axis. */
export const addAlongOp: Op<AxisAttrs> = /* @__PURE__ */ defineOp<AxisAttrs>({
  name: 'addAlong',
  throws: true,
  inplace: [0],
  infer: ([x, idx]) => {
    checkIndices('addAlong', idx);
    checkSum('addAlong', x);
    return { shape: x.shape, dtype: x.dtype };
  },
  cpu({ inputs, outputs, attrs: { axis } }) {
    const [x, idx, u, o] = [inputs[0], inputs[1], inputs[2], outputs[0]];
    copyOver(x, o);
    walkAlong('addAlong', x, idx, axis, (k, xi) => {
      o.data[o.offset + xi] += u.data[u.offset + k];
    });
  },
  vjp({ inputs, cotangents, attrs, needs }) {
    const g = cotangents[0]!;
    return [needs[0] ? g : null, null, needs[2] ? apply1(takeAlongOp, [g, inputs[1]], attrs) : null];
  },
  cost: (inputs) => ({ flops: sizeOf(inputs[2].shape) }),
});

function walkAlong(
  name: string,
  x: CpuView,
  idx: CpuView,
  axis: number,
  visit: (k: number, xi: number) => void,
): void {
  const [P, N, Q] = around(x, axis);
  const I = idx.shape[axis];
  for (let p = 0, k = 0; p < P; p++) {
    for (let i = 0; i < I; i++) {
      for (let q = 0; q < Q; q++, k++) {
        const j = idx.data[idx.offset + k];
        if (j < 0 || j >= N) outOfRange(name, j, N, k);
        visit(k, (p * N + j) * Q + q);
      }
    }
  }
}

/** 1 at each index along a new last axis, 0 elsewhere. */
export const oneHotOp: Op<{ readonly n: number; readonly dtype: DType }> = /* @__PURE__ */ defineOp({
  name: 'oneHot',
  throws: true,
  infer([idx], { n, dtype }) {
    checkIndices('oneHot', idx);
    return { shape: [...idx.shape, n], dtype };
  },
  cpu({ inputs, outputs, attrs: { n } }) {
    const [idx, o] = [inputs[0], outputs[0]];
    const size = sizeOf(idx.shape);
    o.data.fill(0, o.offset, o.offset + size * n);
    for (let k = 0; k < size; k++) {
      const j = idx.data[idx.offset + k];
      if (j < 0 || j >= n) outOfRange('oneHot', j, n, k);
      o.data[o.offset + k * n + j] = 1;
    }
  },
  cost: free,
});

interface WindowAttrs extends AxisAttrs {
  readonly size: number;
}

/** Start positions: a scalar for all rows of axis 0, or one per row when the window lies on axis 1. */
function checkStart(name: string, x: Aval, start: Aval, axis: number): void {
  checkIndices(name, start, 'start');
  const perRow = start.shape.length === 1 && axis === 1 && start.shape[0] === x.shape[0];
  if (start.shape.length !== 0 && !perRow) {
    throw new ShapeError(
      `${name}: start must be a scalar${axis === 1 ? ` or [B] = [${x.shape[0]}]` : ' (one per row needs axis 1)'}, got ${show(start.shape)}.`,
    );
  }
}

/** Visits the window row by row: offset of the row inside the window operand and inside the whole one. */
function eachWindow(
  name: string,
  whole: CpuView,
  start: CpuView,
  axis: number,
  size: number,
  visit: (small: number, large: number, n: number) => void,
): void {
  const [P, N, Q] = around(whole, axis);
  for (let p = 0; p < P; p++) {
    const s = start.data[start.offset + (start.shape.length === 1 ? p : 0)];
    if (s < 0 || s + size > N) {
      throw new IndexError(
        `${name}: the window must lie inside axis ${axis} of size ${N}, got start ${s} and size ${size}. Make the axis longer (maxLength of a cache) or start earlier.`,
      );
    }
    visit(p * size * Q, (p * N + s) * Q, size * Q);
  }
}

/** `size` elements of an axis from a start that is data. */
export const sliceAtOp: Op<WindowAttrs> = /* @__PURE__ */ defineOp<WindowAttrs>({
  name: 'sliceAt',
  throws: true,
  infer([x, start], { axis, size }) {
    checkStart('sliceAt', x, start, axis);
    return { shape: x.shape.map((d, i) => (i === axis ? size : d)), dtype: x.dtype };
  },
  cpu({ inputs, outputs, attrs: { axis, size } }) {
    const [x, start, o] = [inputs[0], inputs[1], outputs[0]];
    eachWindow('sliceAt', x, start, axis, size, (small, large, n) => {
      for (let i = 0; i < n; i++) o.data[o.offset + small + i] = x.data[x.offset + large + i]!;
    });
  },
  vjp: ({ inputs, cotangents, attrs }) => [
    apply1(updateAtOp, [inputs[0].zeros(), cotangents[0]!, inputs[1]], { axis: attrs.axis }),
    null,
  ],
  cost: free,
});

/** x with an update written into an axis at a start that is data; in place when nobody else reads x. */
export const updateAtOp: Op<AxisAttrs> = /* @__PURE__ */ defineOp<AxisAttrs>({
  name: 'updateAt',
  throws: true,
  inplace: [0],
  infer([x, update, start], { axis }) {
    checkStart('updateAt', x, start, axis);
    checkSame('updateAt', x, update);
    if (
      update.shape.length !== x.shape.length ||
      update.shape.some((d, i) => (i === axis ? d > x.shape[i] : d !== x.shape[i]))
    ) {
      throw new ShapeError(
        `updateAt: the update must match x outside axis ${axis} and fit into it, got x ${show(x.shape)} and update ${show(update.shape)}.`,
      );
    }
    return { shape: x.shape, dtype: x.dtype };
  },
  cpu({ inputs, outputs, attrs: { axis } }) {
    const [x, update, start, o] = [inputs[0], inputs[1], inputs[2], outputs[0]];
    const size = update.shape[axis];
    // All windows are checked before the first write, since x may be overwritten in place.
    eachWindow('updateAt', x, start, axis, size, () => {});
    copyOver(x, o);
    eachWindow('updateAt', x, start, axis, size, (small, large, n) => {
      for (let i = 0; i < n; i++) o.data[o.offset + large + i] = update.data[update.offset + small + i]!;
    });
  },
  vjp({ inputs, cotangents, attrs: { axis }, needs }) {
    const g = cotangents[0]!;
    const [, update, start] = [inputs[0], inputs[1], inputs[2]];
    return [
      needs[0] ? apply1(updateAtOp, [g, update.zeros(), start], { axis }) : null,
      needs[1] ? apply1(sliceAtOp, [g, start], { axis, size: update.shape[axis] }) : null,
      null,
    ];
  },
  cost: free,
});

// ---- functions -------------------------------------------------------------------------------------------------

/**
 * Slices picked by index along an axis (an embedding look-up when axis is 0).
 *
 * @param x        [..P, N, ..Q]
 * @param indices  i32 of any shape I, each in [0, N)
 * @returns        [..P, ..I, ..Q]
 * @throws IndexError when the data is read, naming the index
 */
export function gather(x: Tensor, indices: Tensor, axis: number = 0): Tensor {
  return apply1(gatherOp, [x, indices], { axis: normalizeAxis('gather', axis, x.shape.length) });
}

/** x with `updates` added at indexed slices; the same index may occur often, sums are taken in order. */
export function scatterAdd(x: Tensor, indices: Tensor, updates: Tensor, axis: number = 0): Tensor {
  return apply1(scatterAddOp, [x, indices, updates], {
    axis: normalizeAxis('scatterAdd', axis, x.shape.length),
  });
}

/** One element per index along an axis; `indices` has x's shape outside the axis. */
export function takeAlong(x: Tensor, indices: Tensor, axis: number = -1): Tensor {
  return apply1(takeAlongOp, [x, indices], { axis: normalizeAxis('takeAlong', axis, x.shape.length) });
}

/** 1 at each index along a new last axis of size n, 0 elsewhere. */
export function oneHot(indices: Tensor, n: number, { dtype = 'f32' }: { dtype?: DType } = {}): Tensor {
  if (!Number.isInteger(n) || n < 0) throw new OptionError(`oneHot: n must be an integer ≥ 0, got ${n}.`);
  return apply1(oneHotOp, [indices], { n, dtype });
}

/** `size` elements of an axis from `start`, an i32 scalar tensor or, for axis 1, one per row of axis 0. */
export function sliceAt(x: Tensor, start: Tensor, size: number, axis: number = 0): Tensor {
  const a = normalizeAxis('sliceAt', axis, x.shape.length);
  if (!Number.isInteger(size) || size < 0 || size > x.shape[a]) {
    throw new ShapeError(
      `sliceAt: size must be in [0, ${x.shape[a]}] for axis ${axis} of ${show(x.shape)}, got ${size}.`,
    );
  }
  return apply1(sliceAtOp, [x, start], { axis: a, size });
}

/**
 * x with `update` written at start … start + size along an axis; in place when nobody else reads x.
 *
 * @param x       [..P, N, ..Q]
 * @param update  [..P, M, ..Q], M ≤ N
 * @param start   i32 scalar, or [B] for axis 1: one per row of axis 0
 * @throws IndexError when the window leaves the axis; x is then unchanged
 */
export function updateAt(x: Tensor, update: Tensor, start: Tensor, axis: number = 0): Tensor {
  return apply1(updateAtOp, [x, update, start], { axis: normalizeAxis('updateAt', axis, x.shape.length) });
}
