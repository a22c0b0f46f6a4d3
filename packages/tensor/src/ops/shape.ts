import type { Tensor } from '../tensor.js';
import { kernelsOf } from '../cpu/kernel.js';
import { blockOf, eachRow, planRows } from '../cpu/rows.js';
import { apply1 } from '../engine/apply.js';
import type { Shape } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import { broadcastLayout, normalizeAxis, permuteLayout, reshapeLayout, stridesOf } from '../engine/layout.js';
import type { CpuCall, CpuView, Op } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { defineOp } from '../engine/op.js';
import type { Kernels } from '../wasm/kernels.js';

const free = (): { flops: number } => ({ flops: 0 });

/** Copies a strided operand into a dense one of the same size; both in the memory of `kernels` when given. */
export function copyInto(x: CpuView, o: CpuView, kernels: Kernels | null = null): void {
  if (kernels === null || x.data.BYTES_PER_ELEMENT !== 4) {
    place(x, o, o.offset, stridesOf(x.shape));
    return;
  }
  const rows = planRows(x.shape, [stridesOf(x.shape), x.strides]);
  const block = blockOf(rows);
  const [op, xp] = [o.data.byteOffset, x.data.byteOffset];
  const [step, row] = [rows.step[1], block.strides[1]];
  eachRow(block.plan, [o.offset, x.offset], (oi, xi) =>
    kernels.copyRows(op + 4 * oi, rows.n, block.rows, xp + 4 * xi, step, row),
  );
}

/** Copies x to elements of o that lie from `from` on with strides of their own. */
function place(x: CpuView, o: CpuView, from: number, strides: readonly number[]): void {
  const rows = planRows(x.shape, [strides, x.strides]);
  const [os, xs] = rows.step as [number, number];
  const [xd, od, n] = [x.data, o.data, rows.n];
  eachRow(rows, [from, x.offset], (oi, xi) => {
    if (os === 1 && xs === 1 && n >= 32) od.set(xd.subarray(xi, xi + n), oi);
    else for (let i = 0; i < n; i++, oi += os, xi += xs) od[oi] = xd[xi]!;
  });
}

/** The same, unless x lies where o does. */
export function copyOver(x: CpuView, o: CpuView, kernels?: Kernels | null): void {
  const at = ({ data, offset }: CpuView): number => data.byteOffset + offset * data.BYTES_PER_ELEMENT;
  if (x.data.buffer !== o.data.buffer || at(x) !== at(o)) copyInto(x, o, kernels);
}

const copyKernel = (call: CpuCall<unknown>): void =>
  copyOver(call.inputs[0], call.outputs[0], kernelsOf(call));

/** The same elements in a dense layout of their own. */
export const copyOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'contiguous',
  strided: true,
  inplace: [0],
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  cpu: copyKernel,
  vjp: ({ cotangents }) => [cotangents[0]!],
  cost: free,
});

/** The same value under a new identity, so that gradients tell them apart. */
export const aliasOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'alias',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  view: (x) => x,
  vjp: ({ cotangents }) => [cotangents[0]!],
});

/** The same value, through which no gradient flows, whenever the gradient is taken. */
export const stopOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'stopGradient',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  view: (x) => x,
  vjp: () => [null],
});

/** The op of `reshape`. */
export const reshapeOp: Op<{ readonly shape: Shape }> = /* @__PURE__ */ defineOp({
  name: 'reshape',
  strided: true,
  inplace: [0],
  infer: ([x], { shape }) => ({ shape, dtype: x.dtype }),
  view: (x, { shape }) => reshapeLayout(x, shape),
  cpu: copyKernel,
  vjp: ({ inputs, cotangents }) => [cotangents[0]!.reshape(inputs[0].shape)],
  cost: free,
});

/** The op of `permute`. */
export const permuteOp: Op<{ readonly perm: readonly number[] }> = /* @__PURE__ */ defineOp({
  name: 'transpose',
  infer: ([x], { perm }) => ({ shape: perm.map((p) => x.shape[p]), dtype: x.dtype }),
  view: (x, { perm }) => permuteLayout(x, perm),
  vjp({ cotangents, attrs: { perm } }) {
    const inverse = perm.map((_, i) => perm.indexOf(i));
    return [cotangents[0]!.transpose(inverse)];
  },
});

/** The op of `broadcast`. */
export const broadcastOp: Op<{ readonly shape: Shape }> = /* @__PURE__ */ defineOp({
  name: 'broadcastTo',
  infer: ([x], { shape }) => ({ shape, dtype: x.dtype }),
  view: (x, { shape }) => broadcastLayout(x, shape),
  vjp: ({ inputs, cotangents }) => [cotangents[0]!.sumTo(inputs[0].shape)],
});

interface SliceAttrs {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** The op of `slice`. */
export const sliceOp: Op<SliceAttrs> = /* @__PURE__ */ defineOp<SliceAttrs>({
  name: 'slice',
  infer: ([x], { axis, count }) => ({
    shape: x.shape.map((d, i) => (i === axis ? count : d)),
    dtype: x.dtype,
  }),
  view: (x, { axis, start, step, count }) => ({
    shape: x.shape.map((d, i) => (i === axis ? count : d)),
    strides: x.strides.map((s, i) => (i === axis ? s * step : s)),
    offset: x.offset + (count > 0 ? start * x.strides[axis] : 0),
  }),
  vjp: ({ inputs, cotangents, attrs }) => [
    apply1(unsliceOp, [cotangents[0]!], { ...attrs, size: inputs[0].shape[attrs.axis] }),
  ],
});

/** Zeros with the elements of x at the places that a slice looks at. */
export const unsliceOp: Op<SliceAttrs & { readonly size: number }> = /* @__PURE__ */ defineOp({
  name: 'unslice',
  strided: true,
  infer: ([x], { axis, size }) => ({ shape: x.shape.map((d, i) => (i === axis ? size : d)), dtype: x.dtype }),
  cpu({ inputs, outputs, attrs: { axis, start, step, size, count } }) {
    const [x, o] = [inputs[0], outputs[0]];
    const len = sizeOf(o.shape);
    if (count !== size) o.data.fill(0, o.offset, o.offset + len);
    if (count === 0) return;
    const strides = stridesOf(o.shape);
    const apart = strides.map((s, i) => (i === axis ? s * step : s));
    place(x, o, o.offset + start * strides[axis], apart);
  },
  vjp: ({ cotangents, attrs: { axis, start, step, count } }) => [
    apply1(sliceOp, [cotangents[0]!], { axis, start, step, count }),
  ],
  cost: free,
});

/** The op of `concat`. */
export const concatOp: Op<{ readonly axis: number }> = /* @__PURE__ */ defineOp({
  name: 'concat',
  strided: true,
  infer(xs, { axis }) {
    const first = xs[0];
    let total = 0;
    xs.forEach((x, k) => {
      if (x.dtype !== first.dtype) {
        throw new DTypeError(
          `concat: element types must agree, got ${first.dtype} and ${x.dtype}. Use cast() on one of them.`,
        );
      }
      if (
        x.shape.length !== first.shape.length ||
        x.shape.some((d, i) => i !== axis && d !== first.shape[i])
      ) {
        throw new ShapeError(
          `concat: all shapes must agree outside axis ${axis}, got ${show(first.shape)} and ${show(x.shape)} (argument ${k}). Reshape or pad them.`,
        );
      }
      total += x.shape[axis];
    });
    return { shape: first.shape.map((d, i) => (i === axis ? total : d)), dtype: first.dtype };
  },
  cpu({ inputs, outputs, attrs: { axis } }) {
    const o = outputs[0];
    const strides = stridesOf(o.shape);
    let at = o.offset;
    for (const x of inputs) {
      place(x, o, at, strides);
      at += x.shape[axis] * strides[axis];
    }
  },
  vjp({ inputs, cotangents, attrs: { axis }, needs }) {
    let at = 0;
    return inputs.map((x, i) => {
      const start = at;
      at += x.shape[axis];
      return needs[i] ? cotangents[0]!.slice(axis, start, at) : null;
    });
  },
  cost: free,
});

/** The op of `pad`. */
export const padOp: Op<{
  readonly axis: number;
  readonly before: number;
  readonly after: number;
  readonly value: number;
}> = /* @__PURE__ */ defineOp({
  name: 'pad',
  strided: true,
  infer: ([x], { axis, before, after }) => ({
    shape: x.shape.map((d, i) => (i === axis ? d + before + after : d)),
    dtype: x.dtype,
  }),
  cpu({ inputs, outputs, attrs: { axis, before, value } }) {
    const [x, o] = [inputs[0], outputs[0]];
    o.data.fill(value, o.offset, o.offset + sizeOf(o.shape));
    const strides = stridesOf(o.shape);
    place(x, o, o.offset + before * strides[axis], strides);
  },
  vjp({ inputs, cotangents, attrs: { axis, before } }) {
    return [cotangents[0]!.slice(axis, before, before + inputs[0].shape[axis])];
  },
  cost: free,
});

/** Keeps the elements with column − row ≤ k (lower) or ≥ k (upper) of the last two axes; zeros elsewhere. */
export const triangleOp: Op<{ readonly k: number; readonly upper: boolean }> = /* @__PURE__ */ defineOp({
  name: 'triangle',
  inplace: [0],
  infer([x], { upper }) {
    if (x.shape.length < 2) {
      throw new ShapeError(
        `${upper ? 'triu' : 'tril'}: x must have at least two axes, got ${show(x.shape)}. Reshape it.`,
      );
    }
    return { shape: x.shape, dtype: x.dtype };
  },
  cpu({ inputs, outputs, attrs: { k, upper } }) {
    const [x, o] = [inputs[0], outputs[0]];
    const [M, N] = x.shape.slice(-2) as [number, number];
    const size = sizeOf(x.shape);
    for (let i = 0; i < size; i++) {
      const d = (i % N) - (Math.floor(i / N) % M);
      o.data[o.offset + i] = (upper ? d >= k : d <= k) ? x.data[x.offset + i] : 0;
    }
  },
  vjp: ({ cotangents, attrs }) => [apply1(triangleOp, [cotangents[0]!], attrs)],
  cost: free,
});

// ---- functions -------------------------------------------------------------------------------------------------

/** The same elements with another shape of the same size; one size may be −1. A view where strides allow it. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.filter((d) => d !== -1);
  const size = sizeOf(known);
  const open = shape.length - known.length;
  const fill = open === 1 && size > 0 ? x.size / size : 0;
  const full = shape.map((d) => (d === -1 ? fill : d));
  if (open > 1 || !full.every((d) => Number.isInteger(d) && d >= 0) || sizeOf(full) !== x.size) {
    throw new ShapeError(
      `reshape: the sizes must match, got ${show(x.shape)} (${x.size} elements) to ${show(shape)}. At most one size may be -1.`,
    );
  }
  return apply1(reshapeOp, [x], { shape: full });
}

/** Axes in the order `perm`; without it the last two are swapped. A view. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  const rank = x.shape.length;
  if (perm === undefined) {
    if (rank < 2)
      throw new ShapeError(`transpose: x must have at least two axes, got ${show(x.shape)}. Reshape it.`);
    return swapAxes(x, -2, -1);
  }
  const p = perm.map((a) => normalizeAxis('transpose', a, rank));
  if (p.length !== rank || new Set(p).size !== rank) {
    throw new ShapeError(
      `transpose: perm must name each of the ${rank} axes once, got ${show(perm)} for ${show(x.shape)}.`,
    );
  }
  return apply1(permuteOp, [x], { perm: p });
}

/** Two axes exchanged. A view. */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  const rank = x.shape.length;
  const perm = Array.from({ length: rank }, (_, i) => i);
  const [i, j] = [normalizeAxis('swapAxes', a, rank), normalizeAxis('swapAxes', b, rank)];
  [perm[i], perm[j]] = [j, i];
  return apply1(permuteOp, [x], { perm });
}

/** A new axis of size 1 before `axis` (−1 appends one). A view. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis('expandDims', axis, x.shape.length + 1);
  return reshape(x, [...x.shape.slice(0, a), 1, ...x.shape.slice(a)]);
}

/** Without an axis of size 1. A view. */
export function squeeze(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis('squeeze', axis, x.shape.length);
  if (x.shape[a] !== 1) {
    throw new ShapeError(
      `squeeze: axis ${axis} must have size 1, got ${show(x.shape)}. Use at() to pick one element.`,
    );
  }
  return reshape(
    x,
    x.shape.filter((_, i) => i !== a),
  );
}

/** x repeated along new axes and axes of size 1. A view with stride 0. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const lead = shape.length - x.shape.length;
  if (lead < 0 || x.shape.some((d, i) => d !== shape[lead + i] && d !== 1)) {
    throw new ShapeError(
      `broadcastTo: ${show(x.shape)} does not broadcast to ${show(shape)}. Sizes must be equal or 1.`,
    );
  }
  return apply1(broadcastOp, [x], { shape });
}

/** Elements start, start + step, … before stop of one axis, as in Python. A view. */
export function slice(x: Tensor, axis: number, start: number, stop?: number, step: number = 1): Tensor {
  const a = normalizeAxis('slice', axis, x.shape.length);
  const size = x.shape[a];
  if (!Number.isInteger(step) || step === 0) {
    throw new OptionError(`slice: step must be an integer other than 0, got ${step}.`);
  }
  const clampTo = (v: number): number => {
    const w = v < 0 ? v + size : v;
    return step > 0 ? Math.min(Math.max(w, 0), size) : Math.min(Math.max(w, -1), size - 1);
  };
  const from = clampTo(start);
  const to = stop === undefined ? (step > 0 ? size : -1) : clampTo(stop);
  const count = Math.max(0, Math.ceil((to - from) / step));
  return apply1(sliceOp, [x], { axis: a, start: from, step, count });
}

/** One element of an axis, the axis dropped. A view. */
export function at(x: Tensor, index: number, axis: number = 0): Tensor {
  return temporaries(() => {
    const a = normalizeAxis('at', axis, x.shape.length);
    const size = x.shape[a];
    const i = index < 0 ? index + size : index;
    if (!Number.isInteger(index) || i < 0 || i >= size) {
      throw new ShapeError(
        `at: index must be an integer in [${-size}, ${size - 1}], got ${index} for axis ${axis} of ${show(x.shape)}.`,
      );
    }
    return reshape(
      apply1(sliceOp, [x], { axis: a, start: i, step: 1, count: 1 }),
      x.shape.filter((_, k) => k !== a),
    );
  });
}

/** An axis in reverse order. A view. */
export function flip(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis('flip', axis, x.shape.length);
  const size = x.shape[a];
  return apply1(sliceOp, [x], { axis: a, start: Math.max(0, size - 1), step: -1, count: size });
}

/** Tensors one behind the other along an axis. */
export function concat(xs: readonly Tensor[], axis: number = 0): Tensor {
  if (xs.length === 0) throw new ShapeError('concat: at least one tensor is needed, got an empty list.');
  return apply1(concatOp, xs, { axis: normalizeAxis('concat', axis, xs[0].shape.length) });
}

/** Tensors of one shape along a new axis. */
export function stack(xs: readonly Tensor[], axis: number = 0): Tensor {
  return temporaries(() => {
    if (xs.length === 0) throw new ShapeError('stack: at least one tensor is needed, got an empty list.');
    return concat(
      xs.map((x) => expandDims(x, axis)),
      axis < 0 ? axis + xs[0].shape.length + 1 : axis,
    );
  });
}

/** n equal parts of an axis. Views. */
export function chunk(x: Tensor, n: number, axis: number = -1): Tensor[] {
  const a = normalizeAxis('chunk', axis, x.shape.length);
  const size = x.shape[a];
  if (!Number.isInteger(n) || n < 1 || size % n !== 0) {
    throw new ShapeError(
      `chunk: axis ${axis} of ${show(x.shape)} must be divisible by n, got n = ${n}. Use splitSizes() for unequal parts.`,
    );
  }
  return splitSizes(x, new Array<number>(n).fill(size / n), a);
}

/** Parts of the given sizes along an axis. Views. */
export function splitSizes(x: Tensor, sizes: readonly number[], axis: number = -1): Tensor[] {
  const a = normalizeAxis('splitSizes', axis, x.shape.length);
  const total = sizes.reduce((s, d) => s + d, 0);
  if (total !== x.shape[a]) {
    throw new ShapeError(
      `splitSizes: sizes must sum to ${x.shape[a]} (axis ${axis} of ${show(x.shape)}), got ${show(sizes)} = ${total}.`,
    );
  }
  let start = 0;
  return sizes.map((count) => {
    const part = apply1(sliceOp, [x], { axis: a, start, step: 1, count });
    start += count;
    return part;
  });
}

/** `before` and `after` elements of `value` around an axis. */
export function pad(x: Tensor, axis: number, before: number, after: number, value: number = 0): Tensor {
  const a = normalizeAxis('pad', axis, x.shape.length);
  if (!Number.isInteger(before) || !Number.isInteger(after) || before < 0 || after < 0) {
    throw new OptionError(
      `pad: before and after must be integers ≥ 0, got ${before} and ${after}. Use slice() to cut.`,
    );
  }
  return apply1(padOp, [x], { axis: a, before, after, value });
}

/** Lower triangle of the last two axes (column − row ≤ k), zeros above. */
export function tril(x: Tensor, k: number = 0): Tensor {
  return apply1(triangleOp, [x], { k, upper: false });
}
/** Upper triangle of the last two axes (column − row ≥ k), zeros below. */
export function triu(x: Tensor, k: number = 0): Tensor {
  return apply1(triangleOp, [x], { k, upper: true });
}
/** The same elements in a dense layout of their own. */
export function contiguous(x: Tensor): Tensor {
  return apply1(copyOp, [x], null);
}

/** Each element n times along an axis: [a, b] → [a, a, b, b]. */
export function repeat(x: Tensor, n: number, axis: number): Tensor {
  return temporaries(() => {
    const a = normalizeAxis('repeat', axis, x.shape.length);
    if (!Number.isInteger(n) || n < 0) throw new OptionError(`repeat: n must be an integer ≥ 0, got ${n}.`);
    const wide = expandDims(x, a + 1);
    const shape = [...x.shape.slice(0, a + 1), n, ...x.shape.slice(a + 1)];
    return reshape(
      broadcastTo(wide, shape),
      x.shape.map((d, i) => (i === a ? d * n : d)),
    );
  });
}
