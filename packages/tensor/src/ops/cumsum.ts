import type { Tensor } from '../tensor.js';
import { address, kernelsOf } from '../cpu/kernel.js';
import { apply1, elements } from '../engine/apply.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';

/** Options of `cumsum`. */
export interface CumsumOptions {
  /** Sums run from the last element to the first. Default false. */
  reverse?: boolean;
  /** Element t is left out of sum t, so that the first sum is 0. Default false. */
  exclusive?: boolean;
}

interface CumsumAttrs {
  readonly axis: number;
  readonly reverse: boolean;
  readonly exclusive: boolean;
}

/** Running sums along an axis, in double for floats. */
export const cumsumOp: Op<CumsumAttrs> = /* @__PURE__ */ defineOp<CumsumAttrs>({
  name: 'cumsum',
  infer([x]) {
    if (x.dtype === 'bool' || x.dtype === 'f16') {
      throw new DTypeError(
        `cumsum: the element type must be f32, f64, i32 or u32, got ${x.dtype}. Use cast() first.`,
      );
    }
    return { shape: x.shape, dtype: x.dtype };
  },
  scratch: ([x], { axis }) => 8 * sizeOf(x.shape.slice(axis + 1)),
  cpu(call) {
    const [x, y] = [call.inputs[0], call.outputs[0]];
    const { axis, reverse, exclusive } = call.attrs;
    const outer = sizeOf(x.shape.slice(0, axis));
    const n = x.shape[axis];
    const inner = sizeOf(x.shape.slice(axis + 1));
    const step = reverse ? -inner : inner;
    const kernels = x.data instanceof Float32Array ? kernelsOf(call) : null;
    for (let r = 0; r < outer; r++) {
      const first = (r * n + (reverse ? n - 1 : 0)) * inner;
      if (kernels !== null) {
        kernels.cumsumRows(address(y) + 4 * first, address(x) + 4 * first, n, 4 * step, inner, exclusive);
      } else if (inner === 1) sumLine(x.data, x.offset + first, y.data, y.offset + first, n, step, exclusive);
      else
        sumRows(x.data, x.offset + first, y.data, y.offset + first, n, step, inner, exclusive, call.scratch);
    }
  },
  vjp: ({ cotangents: [g], attrs }) => [apply1(cumsumOp, [g!], { ...attrs, reverse: !attrs.reverse })],
  cost: (_, outputs) => ({ flops: elements(outputs) }),
});

type Numbers = Float32Array | Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

function sumLine(
  x: Numbers,
  p: number,
  y: Numbers,
  q: number,
  n: number,
  step: number,
  exclusive: boolean,
): void {
  let sum = 0;
  if (exclusive) {
    for (let t = 0; t < n; t++, p += step, q += step) {
      y[q] = sum;
      sum += x[p];
    }
  } else {
    for (let t = 0; t < n; t++, p += step, q += step) {
      sum += x[p];
      y[q] = sum;
    }
  }
}

/** Many lines side by side: rows of `inner` elements are added to rows of sums. */
function sumRows(
  x: Numbers,
  p: number,
  y: Numbers,
  q: number,
  n: number,
  step: number,
  inner: number,
  exclusive: boolean,
  sums: Float64Array,
): void {
  for (let i = 0; i < inner; i++) sums[i] = 0;
  for (let t = 0; t < n; t++, p += step, q += step) {
    if (exclusive) {
      for (let i = 0; i < inner; i++) {
        y[q + i] = sums[i];
        sums[i] += x[p + i];
      }
    } else {
      for (let i = 0; i < inner; i++) {
        const s = sums[i] + x[p + i];
        sums[i] = s;
        y[q + i] = s;
      }
    }
  }
}

/**
 * Running sums along an axis: y_t = Σ_{s ≤ t} x_s, or Σ_{s < t} when `exclusive`; from the end when `reverse`.
 *
 * @param x  f32, f64 (summed in double), i32 or u32 (wrapping)
 * @returns  the shape and element type of x
 * @throws ShapeError, DTypeError
 */
export function cumsum(
  x: Tensor,
  axis: number = -1,
  { reverse = false, exclusive = false }: CumsumOptions = {},
): Tensor {
  return apply1(cumsumOp, [x], { axis: normalizeAxis('cumsum', axis, x.shape.length), reverse, exclusive });
}
