import type { Op } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import type { Tensor } from '../tensor.js';
import type { Operand } from './map.js';
import { binary, pair } from './map.js';

/** The op of `add`. */
export const addOp: Op<null> = /* @__PURE__ */ binary(
  'add',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] + b[bi];
  },
  (g) => [() => g, () => g],
  'number',
  undefined,
  undefined,
  'addRows',
);
/** The op of `sub`. */
export const subOp: Op<null> = /* @__PURE__ */ binary(
  'sub',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] - b[bi];
  },
  (g) => [() => g, () => g.neg()],
  'number',
  undefined,
  undefined,
  'subRows',
);
/** The op of `mul`. */
export const mulOp: Op<null> = /* @__PURE__ */ binary(
  'mul',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] * b[bi];
  },
  (g, a, b) => [() => g.mul(b), () => g.mul(a)],
  'number',
  undefined,
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = Math.imul(a[ai], b[bi]);
  },
  'mulRows',
);
/** The op of `div`. */
export const divOp: Op<null> = /* @__PURE__ */ binary(
  'div',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] / b[bi];
  },
  (g, _a, b, y) => [() => g.div(b), () => g.mul(y).div(b).neg()],
  'number',
  undefined,
  undefined,
  'divRows',
);
/** The op of `pow`. */
export const powOp: Op<null> = /* @__PURE__ */ binary(
  'pow',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] ** b[bi];
  },
  (g, a, b, y) => [
    () => b.eq(0).where(0, g.mul(b).mul(a.pow(b.sub(1)))),
    () => a.gt(0).where(g.mul(y).mul(a.gt(0).where(a, 1).log()), 0),
  ],
  'float',
);
/** Remainder with the sign of the divisor. */
export const modOp: Op<null> = /* @__PURE__ */ binary(
  'mod',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) {
      const r = a[ai] % b[bi];
      o[oi] = r !== 0 && r < 0 !== b[bi] < 0 ? r + b[bi] : r;
    }
  },
  (g, a, b) => [() => g, () => g.mul(a.div(b).floor()).neg()],
);
/** The op of `maximum`. */
export const maximumOp: Op<null> = /* @__PURE__ */ binary(
  'maximum',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = Math.max(a[ai], b[bi]);
  },
  (g, a, b) => [() => a.ge(b).where(g, 0), () => a.ge(b).where(0, g)],
  'number',
  undefined,
  undefined,
  'maxRows',
);
/** The op of `minimum`. */
export const minimumOp: Op<null> = /* @__PURE__ */ binary(
  'minimum',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = Math.min(a[ai], b[bi]);
  },
  (g, a, b) => [() => a.le(b).where(g, 0), () => a.le(b).where(0, g)],
  'number',
  undefined,
  undefined,
  'minRows',
);

/** a + b. Shapes broadcast; element types must agree. */
export function add(a: Operand, b: Operand): Tensor {
  return pair(addOp, a, b);
}
/** a − b. */
export function sub(a: Operand, b: Operand): Tensor {
  return pair(subOp, a, b);
}
/** a · b, element by element. */
export function mul(a: Operand, b: Operand): Tensor {
  return pair(mulOp, a, b);
}
/** a / b; integers are truncated towards zero. */
export function div(a: Operand, b: Operand): Tensor {
  return pair(divOp, a, b);
}
/** a to the power b (floats). */
export function pow(a: Operand, b: Operand): Tensor {
  return pair(powOp, a, b);
}
/** Remainder with the sign of b. */
export function mod(a: Operand, b: Operand): Tensor {
  return pair(modOp, a, b);
}
/** The larger of a and b; the gradient of a tie goes to a. */
export function maximum(a: Operand, b: Operand): Tensor {
  return pair(maximumOp, a, b);
}
/** The smaller of a and b; the gradient of a tie goes to a. */
export function minimum(a: Operand, b: Operand): Tensor {
  return pair(minimumOp, a, b);
}
/** x limited to [low, high]; gradient 0 outside. */
export function clip(x: Tensor, low: number, high: number): Tensor {
  return temporaries(() => {
    return minimum(maximum(x, low), high);
  });
}
