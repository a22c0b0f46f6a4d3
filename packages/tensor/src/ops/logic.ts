import { kernelsOf } from '../cpu/kernel.js';
import { blockOf, eachRow, rowsOf } from '../cpu/rows.js';
import { apply1 } from '../engine/apply.js';
import { DTypeError } from '../engine/errors.js';
import { broadcastShapes } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import type { Tensor } from '../tensor.js';
import type { Kinds, Loop2, Operand } from './map.js';
import { binary, none, pair, perElement, unary } from './map.js';

const flag = (name: string, loop: Loop2, kinds: Kinds = 'any'): Op<null> =>
  binary(name, loop, () => [none, none], kinds, 'bool');

/** The op of `eq`. */
export const eqOp: Op<null> = /* @__PURE__ */ flag('eq', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] === b[bi] ? 1 : 0;
});
/** The op of `ne`. */
export const neOp: Op<null> = /* @__PURE__ */ flag('ne', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] !== b[bi] ? 1 : 0;
});
/** The op of `lt`. */
export const ltOp: Op<null> = /* @__PURE__ */ flag('lt', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] < b[bi] ? 1 : 0;
});
/** The op of `le`. */
export const leOp: Op<null> = /* @__PURE__ */ flag('le', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] <= b[bi] ? 1 : 0;
});
/** The op of `gt`. */
export const gtOp: Op<null> = /* @__PURE__ */ flag('gt', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] > b[bi] ? 1 : 0;
});
/** The op of `ge`. */
export const geOp: Op<null> = /* @__PURE__ */ flag('ge', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] >= b[bi] ? 1 : 0;
});
/** The op of `and`. */
export const andOp: Op<null> = /* @__PURE__ */ flag(
  'and',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] & b[bi];
  },
  'bool',
);
/** The op of `or`. */
export const orOp: Op<null> = /* @__PURE__ */ flag(
  'or',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] | b[bi];
  },
  'bool',
);
/** The op of `not`. */
export const notOp: Op<null> = /* @__PURE__ */ unary(
  'not',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi] ^ 1;
  },
  none,
  'bool',
);

/** cond ? a : b, element by element. */
export const whereOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'where',
  strided: true,
  infer([c, a, b]) {
    if (c.dtype !== 'bool') {
      throw new DTypeError(`where: the condition must be bool, got ${c.dtype}. Compare it, as in x.gt(0).`);
    }
    if (a.dtype !== b.dtype) {
      throw new DTypeError(
        `where: element types must agree, got ${a.dtype} and ${b.dtype}. Use cast() on one of them.`,
      );
    }
    const shape = broadcastShapes('where', broadcastShapes('where', a.shape, b.shape), c.shape);
    return { shape, dtype: a.dtype };
  },
  cpu(call) {
    const [c, a, b] = [call.inputs[0], call.inputs[1], call.inputs[2]];
    const o = call.outputs[0];
    const rows = rowsOf(call);
    const [, cs, as, bs] = rows.step as [number, number, number, number];
    const [cd, ad, bd, od, n] = [c.data, a.data, b.data, o.data, rows.n];
    const kernels = ad.BYTES_PER_ELEMENT === 4 ? kernelsOf(call) : null;
    if (kernels !== null) {
      const block = blockOf(rows);
      const [, cr, ar, br] = block.strides as [number, number, number, number];
      const [op, cp, ap, bp] = [od.byteOffset, cd.byteOffset, ad.byteOffset, bd.byteOffset];
      eachRow(block.plan, [o.offset, c.offset, a.offset, b.offset], (oi, ci, ai, bi) =>
        kernels.whereRows(
          op + 4 * oi,
          n,
          block.rows,
          cp + ci,
          cs,
          cr,
          ap + 4 * ai,
          as,
          ar,
          bp + 4 * bi,
          bs,
          br,
        ),
      );
      return;
    }
    eachRow(rows, [o.offset, c.offset, a.offset, b.offset], (oi, ci, ai, bi) => {
      for (const e = oi + n; oi < e; oi++, ci += cs, ai += as, bi += bs) {
        od[oi] = cd[ci] !== 0 ? ad[ai] : bd[bi];
      }
    });
  },
  vjp({ inputs, cotangents, needs }) {
    const [c, a, b] = [inputs[0], inputs[1], inputs[2]];
    const g = cotangents[0]!;
    return [
      null,
      needs[1] ? c.where(g, 0).sumTo(a.shape) : null,
      needs[2] ? c.where(0, g).sumTo(b.shape) : null,
    ];
  },
  cost: perElement,
});

/** a = b → bool. */
export function eq(a: Operand, b: Operand): Tensor {
  return pair(eqOp, a, b);
}
/** a ≠ b → bool. */
export function ne(a: Operand, b: Operand): Tensor {
  return pair(neOp, a, b);
}
/** a < b → bool. */
export function lt(a: Operand, b: Operand): Tensor {
  return pair(ltOp, a, b);
}
/** a ≤ b → bool. */
export function le(a: Operand, b: Operand): Tensor {
  return pair(leOp, a, b);
}
/** a > b → bool. */
export function gt(a: Operand, b: Operand): Tensor {
  return pair(gtOp, a, b);
}
/** a ≥ b → bool. */
export function ge(a: Operand, b: Operand): Tensor {
  return pair(geOp, a, b);
}
/** Both (bool). */
export function and(a: Tensor, b: Tensor): Tensor {
  return apply1(andOp, [a, b], null);
}
/** Either (bool). */
export function or(a: Tensor, b: Tensor): Tensor {
  return apply1(orOp, [a, b], null);
}
/** Neither true (bool). */
export function not(a: Tensor): Tensor {
  return apply1(notOp, [a], null);
}
/** a where the condition holds, b elsewhere; all three broadcast. Two numbers give f32. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return temporaries(() => {
    const like = typeof a !== 'number' ? a : typeof b !== 'number' ? b : null;
    const tensor = (v: Operand): Tensor =>
      typeof v !== 'number' ? v : like === null ? condition.scalar(v, 'f32') : like.scalar(v);
    return apply1(whereOp, [condition, tensor(a), tensor(b)], null);
  });
}
