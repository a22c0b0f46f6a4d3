import { DTypeError, gather, ShapeError, show } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { normalInit } from './init.js';
import type { Initializer } from './init.js';

/** Parameters of `embedding`. */
export type EmbeddingParams = {
  /** [V, C] */
  weight: Tensor;
};

/**
 * Rows of a table.
 *
 *   y = E[id]
 *
 * @param ids     [...]  i32 in 0 … V − 1
 * @param params  weight [V, C]
 * @returns       [..., C]
 * @throws DTypeError  ids that are not i32
 * @throws IndexError  an id outside the table, when the result is read
 */
export function embedding(ids: Tensor, params: EmbeddingParams): Tensor {
  if (ids.dtype !== 'i32') {
    throw new DTypeError(
      `embedding: ids must be i32, got ${ids.dtype}. Make them with { dtype: 'i32' } or cast.`,
    );
  }
  if (params.weight.ndim !== 2) {
    throw new ShapeError(`embedding: weight must be [V, C], got ${show(params.weight.shape)}.`);
  }
  return gather(params.weight, ids, 0);
}

/** A table of V rows of width C, `N(0, 1)` as in PyTorch unless told otherwise. */
export function embeddingInit(
  key: Key,
  V: number,
  C: number,
  { init = normalInit(1), ...o }: TensorOptions & { readonly init?: Initializer } = {},
): EmbeddingParams {
  return { weight: init(key, [V, C], { ...o, fanIn: C }) };
}
