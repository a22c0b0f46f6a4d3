import type { Tensor } from '../tensor.js';
import { exp } from '../cpu/exp.js';
import { address, kernelsOf } from '../cpu/kernel.js';
import { apply1, elements } from '../engine/apply.js';
import type { Aval } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, ShapeError } from '../engine/errors.js';
import { normalizeAxes, normalizeAxis } from '../engine/layout.js';
import type { CpuCall, CpuView, Op } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { defineOp } from '../engine/op.js';
import type { Kernels } from '../wasm/kernels.js';
import type { Axes, ReduceOptions } from './reduce.js';

// All kernels here work on the last axis; the public functions bring the axis there by a view.

function checked(name: string, x: Aval): Aval {
  if (x.dtype !== 'f32' && x.dtype !== 'f64') {
    throw new DTypeError(`${name}: the element type must be f32 or f64, got ${x.dtype}. Use cast() first.`);
  }
  if (x.shape.length === 0)
    throw new ShapeError(`${name}: x must have an axis, got a scalar. Reshape it to [1].`);
  return { shape: x.shape, dtype: x.dtype };
}

const perInput4 = (inputs: readonly Aval[]): { flops: number } => ({
  flops: 4 * elements(inputs.slice(0, 1)),
});

/** Runs a WebAssembly kernel on all rows where there is one for them; says whether it did. */
function fast(
  call: CpuCall<null>,
  run: (k: Kernels, o: number, x: number, n: number, rows: number) => void,
): boolean {
  const x = call.inputs[0];
  const kernels = x.data instanceof Float32Array ? kernelsOf(call) : null;
  if (kernels === null) return false;
  const n = x.shape[x.shape.length - 1];
  if (n > 0) run(kernels, address(call.outputs[0]), address(x), n, sizeOf(x.shape) / n);
  return n > 0;
}

function eachLine(x: CpuView, visit: (start: number, n: number, row: number) => void): void {
  const n = x.shape[x.shape.length - 1];
  const rows = n === 0 ? 0 : sizeOf(x.shape) / n;
  for (let r = 0; r < rows; r++) visit(x.offset + r * n, n, r);
}

function maxOf(x: ArrayLike<number>, at: number, n: number): number {
  let m = -Infinity;
  for (let i = at; i < at + n; i++) {
    const v = x[i];
    if (v > m || v !== v) m = v;
  }
  return m;
}

/** exp(x − max) / Σ along the last axis; a row of only −∞ gives zeros. */
export const softmaxOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'softmax',
  inplace: [0],
  infer: ([x]) => checked('softmax', x),
  cpu(call) {
    if (fast(call, (k, o, x, n, rows) => k.softmaxRows(o, x, n, rows))) return;
    const { inputs, outputs } = call;
    const [x, o] = [inputs[0], outputs[0]];
    const [xd, od, shift] = [x.data, o.data, o.offset - x.offset];
    eachLine(x, (at, n) => {
      const m = maxOf(xd, at, n);
      if (m === -Infinity) {
        od.fill(0, at + shift, at + shift + n);
        return;
      }
      let s = 0;
      for (let i = at, k = at + shift; i < at + n; i++, k++) {
        const e = exp(xd[i] - m);
        od[k] = e;
        s += e;
      }
      const r = 1 / s;
      for (let k = at + shift; k < at + shift + n; k++) od[k] *= r;
    });
  },
  vjp: ({ outputs, cotangents }) => [apply1(softmaxGradOp, [outputs[0], cotangents[0]!], null)],
  cost: perInput4,
});

/** y (g − Σ y g) along the last axis: what softmax does to a cotangent g. */
export const softmaxGradOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'softmaxGrad',
  inplace: [1],
  infer: ([y]) => ({ shape: y.shape, dtype: y.dtype }),
  cpu(call) {
    const { inputs, outputs } = call;
    const p = address(inputs[1]);
    if (fast(call, (k, o, y, n, rows) => k.softmaxGradRows(o, y, p, n, rows))) return;
    const [y, g, o] = [inputs[0], inputs[1], outputs[0]];
    const [yd, gd, od] = [y.data, g.data, o.data];
    const [toG, toO] = [g.offset - y.offset, o.offset - y.offset];
    eachLine(y, (at, n) => {
      let dot = 0;
      for (let i = at; i < at + n; i++) dot += yd[i] * gd[i + toG];
      for (let i = at; i < at + n; i++) od[i + toO] = yd[i] * (gd[i + toG] - dot);
    });
  },
  vjp({ inputs, cotangents, needs }) {
    const [y, g] = [inputs[0], inputs[1]];
    const h = cotangents[0]!;
    const yh = y.mul(h).sum(-1, { keepDims: true });
    const yg = y.mul(g).sum(-1, { keepDims: true });
    return [needs[0] ? h.mul(g.sub(yg)).sub(g.mul(yh)) : null, needs[1] ? y.mul(h.sub(yh)) : null];
  },
  cost: perInput4,
});

/** log Σ exp(x) along the last axis, which stays with size 1; −∞ for a row of only −∞. */
export const logSumExpOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'logSumExp',
  infer([x]) {
    const { shape, dtype } = checked('logSumExp', x);
    return { shape: [...shape.slice(0, -1), 1], dtype };
  },
  cpu(call) {
    if (fast(call, (k, o, x, n, rows) => k.logSumExpRows(o, x, n, rows))) return;
    const { inputs, outputs } = call;
    const [x, o] = [inputs[0], outputs[0]];
    o.data.fill(-Infinity, o.offset, o.offset + sizeOf(o.shape));
    eachLine(x, (at, n, row) => {
      const m = maxOf(x.data, at, n);
      let s = 0;
      if (Math.abs(m) === Infinity) s = 1;
      else for (let i = at; i < at + n; i++) s += exp(x.data[i] - m);
      o.data[o.offset + row] = m + Math.log(s);
    });
  },
  vjp: ({ inputs, cotangents }) => [apply1(softmaxOp, [inputs[0]], null).mul(cotangents[0]!)],
  cost: perInput4,
});

/** x − logSumExp(x) along the last axis. */
export const logSoftmaxOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'logSoftmax',
  inplace: [0],
  infer: ([x]) => checked('logSoftmax', x),
  cpu(call) {
    if (fast(call, (k, o, x, n, rows) => k.logSoftmaxRows(o, x, n, rows))) return;
    const { inputs, outputs } = call;
    const [x, o] = [inputs[0], outputs[0]];
    const [xd, od, shift] = [x.data, o.data, o.offset - x.offset];
    eachLine(x, (at, n) => {
      const m = maxOf(xd, at, n);
      if (m === -Infinity) {
        od.fill(-Infinity, at + shift, at + shift + n);
        return;
      }
      let s = 0;
      for (let i = at; i < at + n; i++) s += exp(xd[i] - m);
      const lse = m + Math.log(s);
      for (let i = at; i < at + n; i++) od[i + shift] = xd[i] - lse;
    });
  },
  vjp({ outputs, cotangents }) {
    const g = cotangents[0]!;
    return [g.sub(outputs[0].exp().mul(g.sum(-1, { keepDims: true })))];
  },
  cost: perInput4,
});

function alongLast(name: string, x: Tensor, axis: number, f: (x: Tensor) => Tensor): Tensor {
  return temporaries(() => {
    const a = normalizeAxis(name, axis, x.shape.length);
    return a === x.shape.length - 1 ? f(x) : f(x.swapAxes(a, -1)).swapAxes(a, -1);
  });
}

/** exp(x) / Σ exp(x) along an axis. A slice of only −∞ gives zeros and zero gradient, never NaN. */
export function softmax(x: Tensor, axis: number = -1): Tensor {
  return alongLast('softmax', x, axis, (y) => apply1(softmaxOp, [y], null));
}

/** log softmax along an axis, without underflow. */
export function logSoftmax(x: Tensor, axis: number = -1): Tensor {
  return alongLast('logSoftmax', x, axis, (y) => apply1(logSoftmaxOp, [y], null));
}

/** log Σ exp(x) over axes, without overflow; −∞ where all elements are −∞. */
export function logSumExp(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  return temporaries(() => {
    const list = normalizeAxes('logSumExp', axes, x.shape.length);
    const rest = [...x.shape.keys()].filter((i) => !list.includes(i));
    const outer = rest.map((i) => x.shape[i]);
    const inner = list.reduce((p, i) => p * x.shape[i], 1);
    const rows = x.transpose([...rest, ...list]).reshape([...outer, inner]);
    const y = apply1(logSumExpOp, [rows], null);
    return y.reshape(keepDims ? x.shape.map((d, i) => (list.includes(i) ? 1 : d)) : outer);
  });
}
