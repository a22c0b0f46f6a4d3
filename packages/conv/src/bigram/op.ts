import { matmul, scope, ShapeError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/**
 * The 2-gram table: what follows depends on the present symbol alone.
 *
 *   y_t = x_t E        for a one-hot x_t = e_i this is row i of E, the logits of what follows symbol i
 *
 * @param x      [..., C]  one-hot symbols, or any features
 * @param table  [C, C]    row = present symbol, column = next symbol
 * @returns      [..., C]
 * @throws ShapeError  a table that is not [C, C] for the C of x
 * @see Shannon 1948, A mathematical theory of communication, section 3 (digram structure)
 */
export function bigramTable(x: Tensor, table: Tensor): Tensor {
  const C = x.shape[x.ndim - 1];
  if (x.ndim < 1 || table.ndim !== 2 || table.shape[0] !== C || table.shape[1] !== C) {
    throw new ShapeError(
      `bigramTable: table must be [C, C] for x [..., C], got x ${show(x.shape)}, table ${show(table.shape)}.`,
    );
  }
  return scope(() => {
    const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1);
    return matmul(x.reshape([rows, C]), table).reshape(x.shape);
  });
}
