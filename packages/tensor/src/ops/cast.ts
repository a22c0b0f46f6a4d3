import { fromHalf, toHalf } from '../cpu/half.js';
import { eachRow, rowsOf } from '../cpu/rows.js';
import { apply1 } from '../engine/apply.js';
import type { DType } from '../engine/dtype.js';
import { isFloat } from '../engine/dtype.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import type { Tensor } from '../tensor.js';

/** The op of `cast`. */
export const castOp: Op<{ readonly dtype: DType; readonly from: DType }> = /* @__PURE__ */ defineOp<{
  readonly dtype: DType;
  readonly from: DType;
}>({
  name: 'cast',
  strided: true,
  infer: ([x], { dtype }) => ({ shape: x.shape, dtype }),
  cpu(call) {
    const { dtype, from } = call.attrs;
    const [x, o] = [call.inputs[0], call.outputs[0]];
    const rows = rowsOf(call);
    const [xd, od, n, xs] = [x.data, o.data, rows.n, rows.step[1]];
    const read = from === 'f16' ? fromHalf : (v: number): number => v;
    const write =
      dtype === 'f16'
        ? toHalf
        : dtype === 'bool'
          ? (v: number): number => (v !== 0 ? 1 : 0)
          : (v: number): number => v;
    const plain = from !== 'f16' && dtype !== 'f16' && dtype !== 'bool';
    eachRow(rows, [o.offset, x.offset], (oi, xi) => {
      if (plain) for (const e = oi + n; oi < e; oi++, xi += xs) od[oi] = xd[xi]!;
      else for (const e = oi + n; oi < e; oi++, xi += xs) od[oi] = write(read(xd[xi]));
    });
  },
  vjp({ inputs, cotangents }) {
    return [isFloat(inputs[0].dtype) ? cotangents[0]!.cast(inputs[0].dtype) : null];
  },
  cost: () => ({ flops: 0 }),
});

/** The same numbers in another element type. To integers: truncation; to bool: ≠ 0; to f16: nearest, ties to even. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x.alias() : apply1(castOp, [x], { dtype, from: x.dtype });
}
