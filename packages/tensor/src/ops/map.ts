import { kernelsOf } from '../cpu/kernel.js';
import { blockOf, eachRow, rowsOf } from '../cpu/rows.js';
import { apply1, elements } from '../engine/apply.js';
import type { Aval, DType, TypedArray } from '../engine/dtype.js';
import { isFloat } from '../engine/dtype.js';
import { DTypeError } from '../engine/errors.js';
import { broadcastShapes } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import type { Tensor } from '../tensor.js';
import type { BinaryName, UnaryName } from '../wasm/kernels.js';

type A = TypedArray;
/** n elements of x from xi by steps of xs into o from oi. */
export type Loop1 = (x: A, xi: number, xs: number, o: A, oi: number, n: number) => void;
/** The same for two operands. */
export type Loop2 = (
  a: A,
  ai: number,
  as: number,
  b: A,
  bi: number,
  bs: number,
  o: A,
  oi: number,
  n: number,
) => void;
/** Element types that an op takes. */
export type Kinds = 'float' | 'number' | 'bool' | 'any';

function checkKind(name: string, dtype: DType, kinds: Kinds): void {
  const ok =
    dtype === 'f16'
      ? false
      : kinds === 'any' ||
        (kinds === 'bool' ? dtype === 'bool' : kinds === 'float' ? isFloat(dtype) : dtype !== 'bool');
  if (ok) return;
  const want =
    kinds === 'float'
      ? 'f32 or f64'
      : kinds === 'bool'
        ? 'bool'
        : kinds === 'number'
          ? 'a number type'
          : 'any type but f16';
  throw new DTypeError(
    `${name}: the element type must be ${want}, got ${dtype}. Use cast() first${dtype === 'f16' ? ': f16 is a storage type' : ''}.`,
  );
}

/** One FLOP per result. */
export const perElement = (_: readonly Aval[], outputs: readonly Aval[]): { flops: number } => ({
  flops: elements(outputs),
});

/** An op that maps one tensor element by element; `fast` names its kernel for f32. */
export function unary(
  name: string,
  loop: Loop1,
  vjp: (g: Tensor, x: Tensor, y: Tensor) => Tensor | null,
  kinds: Kinds = 'float',
  out?: DType,
  fast?: UnaryName,
): Op<null> {
  return defineOp<null>({
    name,
    strided: true,
    inplace: out === undefined ? [0] : [],
    infer([x]) {
      checkKind(name, x.dtype, kinds);
      return { shape: x.shape, dtype: out ?? x.dtype };
    },
    cpu(call) {
      const [x, o] = [call.inputs[0], call.outputs[0]];
      const rows = rowsOf(call);
      const step = rows.step[1];
      const kernels = fast !== undefined && x.data instanceof Float32Array ? kernelsOf(call) : null;
      if (kernels !== null) {
        const [op, xp] = [o.data.byteOffset, x.data.byteOffset];
        const f = kernels[fast!];
        eachRow(rows, [o.offset, x.offset], (oi, xi) => f(op + 4 * oi, xp + 4 * xi, step, rows.n));
        return;
      }
      eachRow(rows, [o.offset, x.offset], (oi, xi) => loop(x.data, xi, step, o.data, oi, rows.n));
    },
    vjp: ({ inputs, outputs, cotangents }) => [vjp(cotangents[0]!, inputs[0], outputs[0])],
    cost: perElement,
  });
}

/** An op of two tensors that broadcast; `fast` names its kernel for f32. */
export function binary(
  name: string,
  loop: Loop2,
  vjp: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => [() => Tensor | null, () => Tensor | null],
  kinds: Kinds = 'number',
  out?: DType,
  intLoop?: Loop2,
  fast?: BinaryName,
): Op<null> {
  return defineOp<null>({
    name,
    strided: true,
    inplace: out === undefined ? [0, 1] : [],
    infer([a, b]) {
      if (a.dtype !== b.dtype) {
        throw new DTypeError(
          `${name}: element types must agree, got ${a.dtype} and ${b.dtype}. Use cast() on one of them.`,
        );
      }
      checkKind(name, a.dtype, kinds);
      return { shape: broadcastShapes(name, a.shape, b.shape), dtype: out ?? a.dtype };
    },
    cpu(call) {
      const [a, b] = [call.inputs[0], call.inputs[1]];
      const o = call.outputs[0];
      const rows = rowsOf(call);
      const [, as, bs] = rows.step as [number, number, number];
      const kernels = fast !== undefined && a.data instanceof Float32Array ? kernelsOf(call) : null;
      if (kernels !== null) {
        const block = blockOf(rows);
        const [, ar, br] = block.strides as [number, number, number];
        const [op, ap, bp] = [o.data.byteOffset, a.data.byteOffset, b.data.byteOffset];
        const k = kernels[fast!];
        eachRow(block.plan, [o.offset, a.offset, b.offset], (oi, ai, bi) =>
          k(op + 4 * oi, rows.n, block.rows, ap + 4 * ai, as, ar, bp + 4 * bi, bs, br),
        );
        return;
      }
      const f =
        intLoop !== undefined && !(a.data instanceof Float32Array || a.data instanceof Float64Array)
          ? intLoop
          : loop;
      eachRow(rows, [o.offset, a.offset, b.offset], (oi, ai, bi) =>
        f(a.data, ai, as, b.data, bi, bs, o.data, oi, rows.n),
      );
    },
    vjp({ inputs, outputs, cotangents, needs }) {
      const [a, b] = [inputs[0], inputs[1]];
      const rules = vjp(cotangents[0]!, a, b, outputs[0]);
      return [a, b].map((x, i) => (needs[i] ? (rules[i]()?.sumTo(x.shape) ?? null) : null));
    },
    cost: perElement,
  });
}

/** The gradient rule of what has none. */
export const none = (): null => null;

/** A tensor or a number; a number takes the element type of the other operand. */
export type Operand = Tensor | number;

/** Applies an op to two operands of which one may be a number. */
export function pair(op: Op<null>, a: Operand, b: Operand): Tensor {
  return temporaries(() => {
    if (typeof a === 'number') {
      if (typeof b === 'number')
        throw new DTypeError(`${op.name}: one operand must be a tensor, got two numbers. Use tensor(${a}).`);
      return apply1(op, [b.scalar(a), b], null);
    }
    return apply1(op, [a, typeof b === 'number' ? a.scalar(b) : b], null);
  });
}
