import type { DType, Shape, TypedArray } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { toHalf } from '../cpu/half.js';

/** A constant everywhere. */
export const fillOp: Op<{ readonly shape: Shape; readonly dtype: DType; readonly value: number }> =
  /* @__PURE__ */ defineOp({
    name: 'fill',
    infer: (_, { shape, dtype }) => ({ shape, dtype }),
    cpu({ outputs, attrs: { value, dtype, shape } }) {
      const o = outputs[0];
      const v = dtype === 'f16' ? toHalf(value) : dtype === 'bool' ? Number(value !== 0) : value;
      o.data.fill(v, o.offset, o.offset + sizeOf(shape));
    },
    cost: () => ({ flops: 0 }),
  });

/** start, start + step, … */
export const arangeOp: Op<{
  readonly start: number;
  readonly step: number;
  readonly count: number;
  readonly dtype: DType;
}> = /* @__PURE__ */ defineOp({
  name: 'arange',
  infer: (_, { count, dtype }) => ({ shape: [count], dtype }),
  cpu({ outputs, attrs: { start, step, count, dtype } }) {
    const o = outputs[0];
    const half = dtype === 'f16';
    for (let i = 0; i < count; i++) {
      const v = start + i * step;
      o.data[o.offset + i] = half ? toHalf(v) : v;
    }
  },
  cost: () => ({ flops: 0 }),
});

/** Given elements: what `tensor()` records inside a function that is being recorded. */
export const constantOp: Op<{ readonly shape: Shape; readonly dtype: DType; readonly data: TypedArray }> =
  defineOp({
    name: 'constant',
    infer: (_, { shape, dtype }) => ({ shape, dtype }),
    cpu({ outputs, attrs: { data } }) {
      outputs[0].data.set(data, outputs[0].offset);
    },
    cost: () => ({ flops: 0 }),
  });
