import { matmul, scope, ShapeError, show, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { uniformFan } from './init.js';
import type { Initializer } from './init.js';

/** Parameters of `linear`, in PyTorch's layout. */
export type LinearParams = {
  /** [O, I] */
  weight: Tensor;
  /** [O] */
  bias?: Tensor;
};

/**
 * Affine map of the last axis.
 *
 *   y = x Wᵀ + b
 *
 * @param x       [..., I]
 * @param params  weight [O, I], bias [O] if any
 * @returns       [..., O]
 * @throws ShapeError  the last axis of x is not I
 */
export function linear(x: Tensor, params: LinearParams): Tensor {
  const { weight, bias } = params;
  const [O, I] = weight.shape;
  if (weight.ndim !== 2 || x.ndim < 1 || x.shape[x.ndim - 1] !== I) {
    throw new ShapeError(
      `linear: x must be [..., I] and weight [O, I] with the same I, got x ${show(x.shape)}, weight ${show(weight.shape)}.`,
    );
  }
  return scope(() => {
    const lead = x.shape.slice(0, -1);
    const rows = lead.reduce((a, b) => a * b, 1);
    const flat = x.ndim === 2 ? x : x.reshape([rows, I]); // one matrix product, whatever the leading axes
    const y = matmul(flat, weight.transpose()).reshape([...lead, O]);
    return bias ? y.add(bias) : y;
  });
}

/** Options of `linearInit`. */
export interface LinearInitOptions extends TensorOptions {
  readonly bias?: boolean;
  readonly init?: Initializer;
  /** Gets `fanIn = I`. */
  readonly biasInit?: Initializer;
}

/** Parameters of `linear` from I to O; weight and bias `U(±1/√I)` as in PyTorch unless told otherwise. */
export function linearInit(
  key: Key,
  I: number,
  O: number,
  { bias = true, init = uniformFan, biasInit = uniformFan, ...o }: LinearInitOptions = {},
): LinearParams {
  return scope(() => {
    if (!bias) return { weight: init(key, [O, I], o) };
    const [first, second] = split(key);
    return { weight: init(first, [O, I], o), bias: biasInit(second, [O], { ...o, fanIn: I }) };
  });
}
