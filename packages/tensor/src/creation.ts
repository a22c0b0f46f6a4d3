import type { Device } from './device.js';
import { defaultDevice } from './devices.js';
import { applyOn } from './engine/apply.js';
import type { DType, Shape, TypedArray } from './engine/dtype.js';
import { sizeOf, typedView, bytesPerElement } from './engine/dtype.js';
import { OptionError, ShapeError, show } from './engine/errors.js';
import type { Op } from './engine/op.js';
import { state, temporaries } from './engine/state.js';
import { newValue } from './engine/value.js';
import type { Nested } from './nested.js';
import { fromNested } from './nested.js';
import { toHalf } from './cpu/half.js';
import { arangeOp, constantOp, fillOp } from './ops/fill.js';
import { Tensor } from './tensor.js';

/** Where a new tensor lives and what its elements are. */
export interface TensorOptions {
  /** Default: `defaultDevice()`. */
  device?: Device;
  /** Default: `f32`, or what the data says. */
  dtype?: DType;
}

/** Records an op without inputs on a device. */
export function create<A>(op: Op<A>, attrs: A, device: Device = defaultDevice()): Tensor {
  return applyOn(device, (v) => new Tensor(v), op, [], attrs) as Tensor;
}

function checkShape(where: string, shape: Shape): void {
  if (!shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new ShapeError(`${where}: sizes must be integers ≥ 0, got ${show(shape)}.`);
  }
}

/**
 * A tensor of given numbers; the data is copied.
 *
 * @param data  a number, nested arrays, or a typed array. Element type: Float64Array f64, Int32Array i32,
 *              Uint32Array u32, booleans bool, everything else f32, unless `dtype` says otherwise.
 *              For `dtype: 'f16'` numbers are rounded to half precision.
 * @param options.shape  for flat data; its size must match
 */
export function tensor(
  data: Nested | TypedArray | Float32Array | ArrayLike<number>,
  { device = defaultDevice(), dtype, shape }: TensorOptions & { shape?: Shape } = {},
): Tensor {
  let flat: ArrayLike<number>;
  let own: Shape;
  let type: DType;
  if (ArrayBuffer.isView(data)) {
    flat = data;
    own = [flat.length];
    type =
      data instanceof Float64Array
        ? 'f64'
        : data instanceof Int32Array
          ? 'i32'
          : data instanceof Uint32Array
            ? 'u32'
            : 'f32';
    if (!(data instanceof Float32Array) && type === 'f32' && dtype === undefined) {
      throw new OptionError(
        `tensor: dtype must be given for a ${data.constructor.name}. Say for example { dtype: 'f32' }.`,
      );
    }
  } else {
    const nested = fromNested(data as Nested);
    flat = nested.flat;
    own = nested.shape;
    type = nested.bool ? 'bool' : 'f32';
  }
  const d = dtype ?? type;
  const s = shape ?? own;
  checkShape('tensor', s);
  if (sizeOf(s) !== flat.length) {
    throw new ShapeError(
      `tensor: the shape must hold all elements, got ${show(s)} (${sizeOf(s)}) for ${flat.length} numbers.`,
    );
  }
  if (state.trace !== null)
    return create(constantOp, { shape: [...s], dtype: d, data: convert(flat, d) }, device);
  const value = newValue(device, { shape: [...s], dtype: d }, null);
  const out = new Tensor(value);
  device.upload(value.storage, convert(flat, d));
  return out;
}

function convert(flat: ArrayLike<number>, dtype: DType): TypedArray {
  const out = typedView(dtype, new ArrayBuffer(flat.length * bytesPerElement(dtype)), 0, flat.length);
  if (dtype === 'f16') for (let i = 0; i < flat.length; i++) out[i] = toHalf(flat[i]);
  else if (dtype === 'bool') for (let i = 0; i < flat.length; i++) out[i] = flat[i] !== 0 ? 1 : 0;
  else out.set(flat);
  return out;
}

/** A constant everywhere. */
export function full(shape: Shape, value: number, { device, dtype = 'f32' }: TensorOptions = {}): Tensor {
  checkShape('full', shape);
  return create(fillOp, { shape: [...shape], dtype, value }, device);
}
/** Zeros. */
export function zeros(shape: Shape, options: TensorOptions = {}): Tensor {
  return full(shape, 0, options);
}
/** Ones. */
export function ones(shape: Shape, options: TensorOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** A constant with the shape, element type and device of x. */
export function fullLike(x: Tensor, value: number): Tensor {
  return full(x.shape, value, { device: x.device, dtype: x.dtype });
}
/** Zeros like x. */
export function zerosLike(x: Tensor): Tensor {
  return fullLike(x, 0);
}
/** Ones like x. */
export function onesLike(x: Tensor): Tensor {
  return fullLike(x, 1);
}

/** start, start + step, … below stop; `arange(n)` counts from 0. */
export function arange(
  start: number,
  stop?: number,
  step: number = 1,
  { device, dtype = 'f32' }: TensorOptions = {},
): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (!Number.isFinite(from) || !Number.isFinite(to) || !Number.isFinite(step) || step === 0) {
    throw new OptionError(
      `arange: start, stop and step must be finite and step other than 0, got ${from}, ${to}, ${step}.`,
    );
  }
  return create(
    arangeOp,
    { start: from, step, count: Math.max(0, Math.ceil((to - from) / step)), dtype },
    device,
  );
}

/** n numbers from start to stop, both included. */
export function linspace(
  start: number,
  stop: number,
  n: number,
  { device, dtype = 'f32' }: TensorOptions = {},
): Tensor {
  if (!Number.isInteger(n) || n < 0) throw new OptionError(`linspace: n must be an integer ≥ 0, got ${n}.`);
  return create(arangeOp, { start, step: n > 1 ? (stop - start) / (n - 1) : 0, count: n, dtype }, device);
}

/** The n × n identity. */
export function eye(n: number, { device, dtype = 'f32' }: TensorOptions = {}): Tensor {
  if (!Number.isInteger(n) || n < 0) throw new OptionError(`eye: n must be an integer ≥ 0, got ${n}.`);
  return temporaries(() => {
    const i = arange(0, n, 1, { device, dtype: 'i32' });
    return i.expandDims(1).eq(i.expandDims(0)).cast(dtype);
  });
}
