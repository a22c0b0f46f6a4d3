/// <reference lib="esnext.disposable" preserve="true" />
import type { Device } from './device.js';
import { applyOn } from './engine/apply.js';
import type { DType, Shape, TypedArray } from './engine/dtype.js';
import { sizeOf } from './engine/dtype.js';
import { ShapeError, StateError, TraceError, show } from './engine/errors.js';
import { state } from './engine/state.js';
import type { Value } from './engine/value.js';
import * as F from './ops/activations.js';
import * as A from './ops/arithmetic.js';
import { cast } from './ops/cast.js';
import type { CumsumOptions } from './ops/cumsum.js';
import { cumsum } from './ops/cumsum.js';
import * as E from './ops/functions.js';
import * as L from './ops/logic.js';
import type { Operand } from './ops/map.js';
import { fillOp } from './ops/fill.js';
import * as I from './ops/indexing.js';
import { matmul } from './ops/matmul.js';
import type { Axes, ReduceOptions } from './ops/reduce.js';
import * as R from './ops/reduce.js';
import * as S from './ops/shape.js';
import { aliasOp } from './ops/shape.js';
import * as X from './ops/softmax.js';
import { toNested } from './nested.js';
import type { Nested } from './nested.js';
import { fromHalf } from './cpu/half.js';

/** What a handle's finaliser needs; emptied when the handle dies in an orderly way. */
interface Hold {
  value: Value | null;
}

const collected = /* @__PURE__ */ new FinalizationRegistry<Hold>((hold) => {
  hold.value?.storage.release();
  hold.value = null;
});

/**
 * A handle to an immutable array of numbers that is computed when it is read.
 *
 * Operations on it check shapes at once and are recorded; `data()`, `item()`, `toArray()` and `realize()` wait
 * for the result. A handle made inside a `scope` dies with it unless it is returned; other handles die by
 * `dispose()`, `using`, or with the garbage collector.
 */
export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly device: Device;
  readonly #hold: Hold;
  #death: (() => StateError) | null = null;

  /** Library code makes handles with `make`; use `tensor()` and the other creation functions. */
  constructor(value: Value) {
    this.shape = value.shape;
    this.dtype = value.dtype;
    this.device = value.storage.device;
    this.#hold = { value };
    value.storage.retain();
    const scope = state.scopes[state.scopes.length - 1];
    if (scope !== undefined) scope.push(this);
    else this.watch();
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Number of axes. */
  get ndim(): number {
    return this.shape.length;
  }

  /** True when the handle can no longer be used. */
  get disposed(): boolean {
    return this.#hold.value === null;
  }

  /**
   * The value behind the handle, for library code.
   *
   * @throws StateError when the handle is dead
   */
  use(where: string): Value {
    const value = this.#hold.value;
    if (value !== null) return value;
    throw (
      this.#death?.() ??
      new StateError(
        'disposed',
        `${where}: this tensor ${show(this.shape)} was disposed. Return it from the scope that made it, or keep() it.`,
      )
    );
  }

  /** A new handle of this class to a value, for library code. */
  make(value: Value): Tensor {
    return new Tensor(value);
  }

  /** Lets the garbage collector release the value when nobody else does; for handles outside scopes. */
  watch(): void {
    if (this.#hold.value?.storage.trace === null) collected.register(this, this.#hold);
  }

  /** Releases the value now. Safe to call twice. */
  dispose(): void {
    const value = this.#hold.value;
    if (value === null) return;
    this.#hold.value = null;
    value.storage.release();
  }

  /** Kills the handle with an error of one's own for later users; for states that are moved. */
  kill(error: () => StateError): void {
    this.#death = error;
    this.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** A new handle to the same value. */
  alias(): Tensor {
    return applyOn(this.device, (v) => this.make(v), aliasOp, [this], null) as Tensor;
  }

  /** A scalar constant on this tensor's device, by default of its element type. */
  scalar(value: number, dtype: DType = this.dtype): Tensor {
    return applyOn(this.device, (v) => this.make(v), fillOp, [], { shape: [], dtype, value }) as Tensor;
  }

  /** Zeros of this tensor's shape, element type and device. */
  zeros(): Tensor {
    const attrs = { shape: this.shape, dtype: this.dtype, value: 0 };
    return applyOn(this.device, (v) => this.make(v), fillOp, [], attrs) as Tensor;
  }

  // ---- reading -------------------------------------------------------------------------------------------------

  /**
   * A copy of the elements in row-major order: Float32Array, Float64Array, Int32Array, Uint32Array; bool as a
   * Uint8Array of 0 and 1; f16 widened to a Float32Array.
   */
  async data(): Promise<TypedArray> {
    const value = this.use('data');
    if (value.storage.trace !== null) {
      throw new TraceError(
        'data: values cannot be read while a function is being recorded (compile, scan, checkpoint). Return the tensor and read it outside.',
      );
    }
    const raw = await this.device.read(value);
    return this.dtype === 'f16' ? Float32Array.from(raw, fromHalf) : raw;
  }

  /** The only element. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(
        `item: the tensor must have one element, got ${show(this.shape)}. Use data() or at().`,
      );
    }
    return (await this.data())[0];
  }

  /** The elements as nested arrays; a number for a scalar. */
  async toArray(): Promise<Nested> {
    return toNested(await this.data(), this.shape);
  }

  /** Waits until the value is computed. */
  async realize(): Promise<this> {
    const value = this.use('realize');
    if (value.storage.trace === null) await this.device.realize(value);
    return this;
  }

  toString(): string {
    return `Tensor ${this.dtype} ${show(this.shape)} on ${this.device.name}${this.disposed ? ' (disposed)' : ''}`;
  }

  // ---- operations: the functions of the same names --------------------------------------------------------------

  add(b: Operand): Tensor {
    return A.add(this, b);
  }
  sub(b: Operand): Tensor {
    return A.sub(this, b);
  }
  mul(b: Operand): Tensor {
    return A.mul(this, b);
  }
  div(b: Operand): Tensor {
    return A.div(this, b);
  }
  pow(b: Operand): Tensor {
    return A.pow(this, b);
  }
  mod(b: Operand): Tensor {
    return A.mod(this, b);
  }
  maximum(b: Operand): Tensor {
    return A.maximum(this, b);
  }
  minimum(b: Operand): Tensor {
    return A.minimum(this, b);
  }
  eq(b: Operand): Tensor {
    return L.eq(this, b);
  }
  ne(b: Operand): Tensor {
    return L.ne(this, b);
  }
  lt(b: Operand): Tensor {
    return L.lt(this, b);
  }
  le(b: Operand): Tensor {
    return L.le(this, b);
  }
  gt(b: Operand): Tensor {
    return L.gt(this, b);
  }
  ge(b: Operand): Tensor {
    return L.ge(this, b);
  }
  and(b: Tensor): Tensor {
    return L.and(this, b);
  }
  or(b: Tensor): Tensor {
    return L.or(this, b);
  }
  not(): Tensor {
    return L.not(this);
  }
  /** This tensor is the condition. */
  where(a: Operand, b: Operand): Tensor {
    return L.where(this, a, b);
  }
  neg(): Tensor {
    return E.neg(this);
  }
  abs(): Tensor {
    return E.abs(this);
  }
  sign(): Tensor {
    return E.sign(this);
  }
  floor(): Tensor {
    return E.floor(this);
  }
  ceil(): Tensor {
    return E.ceil(this);
  }
  round(): Tensor {
    return E.round(this);
  }
  square(): Tensor {
    return E.square(this);
  }
  reciprocal(): Tensor {
    return E.reciprocal(this);
  }
  sqrt(): Tensor {
    return E.sqrt(this);
  }
  rsqrt(): Tensor {
    return E.rsqrt(this);
  }
  exp(): Tensor {
    return E.exp(this);
  }
  expm1(): Tensor {
    return E.expm1(this);
  }
  log(): Tensor {
    return E.log(this);
  }
  log1p(): Tensor {
    return E.log1p(this);
  }
  sin(): Tensor {
    return E.sin(this);
  }
  cos(): Tensor {
    return E.cos(this);
  }
  tan(): Tensor {
    return E.tan(this);
  }
  tanh(): Tensor {
    return E.tanh(this);
  }
  sigmoid(): Tensor {
    return F.sigmoid(this);
  }
  erf(): Tensor {
    return E.erf(this);
  }
  erfinv(): Tensor {
    return E.erfinv(this);
  }
  relu(): Tensor {
    return F.relu(this);
  }
  softplus(): Tensor {
    return F.softplus(this);
  }
  logSigmoid(): Tensor {
    return F.logSigmoid(this);
  }
  silu(): Tensor {
    return F.silu(this);
  }
  gelu(): Tensor {
    return F.gelu(this);
  }
  geluTanh(): Tensor {
    return F.geluTanh(this);
  }
  elu(): Tensor {
    return F.elu(this);
  }
  mish(): Tensor {
    return F.mish(this);
  }
  isNaN(): Tensor {
    return E.isNaN(this);
  }
  isFinite(): Tensor {
    return E.isFinite(this);
  }
  clip(low: number, high: number): Tensor {
    return A.clip(this, low, high);
  }
  cast(dtype: DType): Tensor {
    return cast(this, dtype);
  }

  sum(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.sum(this, axes, o);
  }
  mean(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.mean(this, axes, o);
  }
  max(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.max(this, axes, o);
  }
  min(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.min(this, axes, o);
  }
  prod(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.prod(this, axes, o);
  }
  variance(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.variance(this, axes, o);
  }
  any(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.any(this, axes, o);
  }
  all(axes?: Axes, o?: ReduceOptions): Tensor {
    return R.all(this, axes, o);
  }
  argMax(axis?: number): Tensor {
    return R.argMax(this, axis);
  }
  argMin(axis?: number): Tensor {
    return R.argMin(this, axis);
  }
  sumTo(shape: Shape): Tensor {
    return R.sumTo(this, shape);
  }
  logSumExp(axes?: Axes, o?: ReduceOptions): Tensor {
    return X.logSumExp(this, axes, o);
  }
  cumsum(axis?: number, o?: CumsumOptions): Tensor {
    return cumsum(this, axis, o);
  }
  softmax(axis?: number): Tensor {
    return X.softmax(this, axis);
  }
  logSoftmax(axis?: number): Tensor {
    return X.logSoftmax(this, axis);
  }

  reshape(shape: Shape): Tensor {
    return S.reshape(this, shape);
  }
  transpose(perm?: readonly number[]): Tensor {
    return S.transpose(this, perm);
  }
  swapAxes(a: number, b: number): Tensor {
    return S.swapAxes(this, a, b);
  }
  expandDims(axis: number): Tensor {
    return S.expandDims(this, axis);
  }
  squeeze(axis: number): Tensor {
    return S.squeeze(this, axis);
  }
  broadcastTo(shape: Shape): Tensor {
    return S.broadcastTo(this, shape);
  }
  slice(axis: number, start: number, stop?: number, step?: number): Tensor {
    return S.slice(this, axis, start, stop, step);
  }
  at(index: number, axis?: number): Tensor {
    return S.at(this, index, axis);
  }
  flip(axis: number): Tensor {
    return S.flip(this, axis);
  }
  chunk(n: number, axis?: number): Tensor[] {
    return S.chunk(this, n, axis);
  }
  pad(axis: number, before: number, after: number, value?: number): Tensor {
    return S.pad(this, axis, before, after, value);
  }
  tril(k?: number): Tensor {
    return S.tril(this, k);
  }
  triu(k?: number): Tensor {
    return S.triu(this, k);
  }
  contiguous(): Tensor {
    return S.contiguous(this);
  }
  repeat(n: number, axis: number): Tensor {
    return S.repeat(this, n, axis);
  }

  matmul(b: Tensor): Tensor {
    return matmul(this, b);
  }
  gather(indices: Tensor, axis?: number): Tensor {
    return I.gather(this, indices, axis);
  }
  takeAlong(indices: Tensor, axis?: number): Tensor {
    return I.takeAlong(this, indices, axis);
  }
  scatterAdd(indices: Tensor, updates: Tensor, axis?: number): Tensor {
    return I.scatterAdd(this, indices, updates, axis);
  }
}
