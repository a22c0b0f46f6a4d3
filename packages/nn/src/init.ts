import {
  eye,
  full,
  matmul,
  normal,
  ones,
  OptionError,
  scan,
  scope,
  show,
  ShapeError,
  truncatedNormal,
  uniform,
  updateAt,
  zeros,
  arange,
} from '@seq/tensor';
import type { Key, Shape, Tensor, TensorOptions } from '@seq/tensor';

/** Options of an initialiser. Fans come from a `[out, in, ...kernel]` shape unless `fanIn` says otherwise (biases). */
export interface InitOptions extends TensorOptions {
  /** Number of inputs that one output sees, where the shape alone does not tell. */
  readonly fanIn?: number;
}

/** Makes a parameter of a shape from a key. */
export type Initializer = (key: Key, shape: Shape, o?: InitOptions) => Tensor;

/** Options of the initialisers that scale by fans. */
export interface GainOptions extends InitOptions {
  /** Multiplies the standard deviation; see `gain`. */
  readonly gain?: number;
}

/** Which fan Kaiming's initialisers divide by. */
export interface KaimingOptions extends GainOptions {
  /** `fanIn` keeps the variance of activations, `fanOut` that of gradients. */
  readonly fan?: 'fanIn' | 'fanOut';
}

/**
 * Inputs and outputs of one unit of a weight `[out, in, ...kernel]`: `fanIn = in · kernel`, `fanOut = out · kernel`.
 *
 * @throws ShapeError  fewer than two axes
 */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) {
    throw new ShapeError(
      `fans: a weight [out, in, ...kernel] of at least two axes is needed, got ${show(shape)}. For a bias pass { fanIn }.`,
    );
  }
  const kernel = shape.slice(2).reduce((a, b) => a * b, 1);
  return { fanIn: shape[1] * kernel, fanOut: shape[0] * kernel };
}

/**
 * Factor that keeps the variance through a nonlinearity, as PyTorch's `calculate_gain`: linear, sigmoid and
 * convolutions 1, tanh 5/3, relu √2, leakyRelu √(2 / (1 + slope²)), selu 3/4.
 */
export function gain(
  nonlinearity: 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu',
  slope = 0.01,
): number {
  switch (nonlinearity) {
    case 'linear':
    case 'sigmoid':
      return 1;
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.SQRT2;
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + slope * slope));
    case 'selu':
      return 0.75;
  }
}

function target(o: InitOptions): TensorOptions {
  return { ...(o.device && { device: o.device }), ...(o.dtype && { dtype: o.dtype }) };
}

function fanInOf(shape: Shape, o: InitOptions): number {
  const n = o.fanIn ?? fans(shape).fanIn;
  if (!(n > 0)) throw new OptionError(`initialiser: fanIn must be positive, got ${n}.`);
  return n;
}

/** `U(−b, b)`, b = 1/√fanIn: PyTorch's default for Linear and Conv layers, biases included. */
export function uniformFan(key: Key, shape: Shape, o: InitOptions = {}): Tensor {
  const b = 1 / Math.sqrt(fanInOf(shape, o));
  return uniform(key, shape, { low: -b, high: b, ...target(o) });
}

/** `U(−b, b)`, b = gain · √(6 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 16). */
export function xavierUniform(key: Key, shape: Shape, o: GainOptions = {}): Tensor {
  const { fanIn, fanOut } = fans(shape);
  const b = (o.gain ?? 1) * Math.sqrt(6 / (fanIn + fanOut));
  return uniform(key, shape, { low: -b, high: b, ...target(o) });
}

/** `N(0, σ²)`, σ = gain · √(2 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 12). */
export function xavierNormal(key: Key, shape: Shape, o: GainOptions = {}): Tensor {
  const { fanIn, fanOut } = fans(shape);
  return normal(key, shape, { std: (o.gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut)), ...target(o) });
}

function kaimingStd(shape: Shape, o: KaimingOptions): number {
  const n = o.fan === 'fanOut' ? fans(shape).fanOut : fanInOf(shape, o);
  return (o.gain ?? Math.SQRT2) / Math.sqrt(n);
}

/** `U(−b, b)`, b = gain · √(3 / fan), gain √2 (He et al. 2015, eq. 10 and 14). */
export function kaimingUniform(key: Key, shape: Shape, o: KaimingOptions = {}): Tensor {
  const b = Math.sqrt(3) * kaimingStd(shape, o);
  return uniform(key, shape, { low: -b, high: b, ...target(o) });
}

/** `N(0, σ²)`, σ = gain / √fan, gain √2 (He et al. 2015, eq. 10 and 14). */
export function kaimingNormal(key: Key, shape: Shape, o: KaimingOptions = {}): Tensor {
  return normal(key, shape, { std: kaimingStd(shape, o), ...target(o) });
}

// Standard deviation of N(0, 1) cut at ±2.
const cutStd = 0.8796256610342398;

/** Truncated normal of variance 1/fanIn, cut at two of its own standard deviations before the cut (LeCun 1998; as in JAX). */
export function lecunNormal(key: Key, shape: Shape, o: InitOptions = {}): Tensor {
  return cutNormal(key, shape, 1 / Math.sqrt(fanInOf(shape, o)) / cutStd, 2, o);
}

function cutNormal(key: Key, shape: Shape, std: number, cut: number, o: InitOptions): Tensor {
  return scope(() => truncatedNormal(key, shape, { low: -cut, high: cut, ...target(o) }).mul(std));
}

/**
 * Rows (columns, when there are more rows than columns) that are orthonormal times `gain`, uniformly
 * distributed over such matrices (Saxe, McClelland and Ganguli 2014). `[out, ...rest]` is seen as a matrix.
 *
 * Gram–Schmidt, each row twice, over rows of a normal matrix.
 */
export function orthogonal(key: Key, shape: Shape, o: GainOptions = {}): Tensor {
  if (shape.length < 2) {
    throw new ShapeError(`orthogonal: a matrix [out, ...rest] is needed, got ${show(shape)}.`);
  }
  const rows = shape[0];
  const columns = shape.slice(1).reduce((a, b) => a * b, 1);
  const [n, m] = [Math.min(rows, columns), Math.max(rows, columns)];
  return scope(() => {
    const g = normal(key, [n, m], target(o));
    const done = zeros([n, m], { device: g.device, dtype: g.dtype });
    const [, unit] = scan(
      (q: Tensor, { row, at }: { row: Tensor; at: Tensor }): [Tensor, Tensor] => {
        let v = row.reshape([1, m]);
        for (let pass = 0; pass < 2; pass++) v = v.sub(matmul(matmul(v, q.transpose()), q));
        v = v.div(v.square().sum().sqrt());
        return [updateAt(q, v, at, 0), v.reshape([m])];
      },
      done,
      { row: g, at: arange(0, n, 1, { dtype: 'i32', device: g.device }) },
    );
    const scaled = unit.mul(o.gain ?? 1);
    return (rows > columns ? scaled.transpose() : scaled).reshape(shape);
  });
}

/** `N(0, std²)`: GPT-2 has 0.02, PyTorch's Embedding 1. */
export function normalInit(std: number): Initializer {
  return (key, shape, o = {}) => normal(key, shape, { std, ...target(o) });
}

/** `N(0, std²)` cut at ±`cut` standard deviations. */
export function truncatedNormalInit(std: number, cut = 2): Initializer {
  return (key, shape, o = {}) => cutNormal(key, shape, std, cut, o);
}

/** `U(low, high)`. */
export function uniformInit(low: number, high: number): Initializer {
  return (key, shape, o = {}) => uniform(key, shape, { low, high, ...target(o) });
}

/** Zeros. */
export function zerosInit(key: Key, shape: Shape, o: InitOptions = {}): Tensor {
  return zeros(shape, { device: key.device, ...target(o) });
}

/** Ones. */
export function onesInit(key: Key, shape: Shape, o: InitOptions = {}): Tensor {
  return ones(shape, { device: key.device, ...target(o) });
}

/** One value everywhere. */
export function constantInit(value: number): Initializer {
  return (key, shape, o = {}) => full(shape, value, { device: key.device, ...target(o) });
}

/** The identity matrix, for recurrent weights (Le, Jaitly and Hinton 2015). */
export function identityInit(key: Key, shape: Shape, o: InitOptions = {}): Tensor {
  if (shape.length !== 2 || shape[0] !== shape[1]) {
    throw new ShapeError(`identityInit: a square matrix is needed, got ${show(shape)}.`);
  }
  return eye(shape[0], { device: key.device, ...target(o) });
}
