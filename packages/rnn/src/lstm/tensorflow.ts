import { add, concat, FormatError, full, scope, show, slice, transpose, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { NamedTensors } from '@seq/nn';
import { reorder } from '../internal/formats.js';
import type { LstmWeights } from './op.js';
import type { LstmLayer } from './stack.js';

/** Options of `lstmFromTensorFlow`. */
export interface TensorFlowLstmOptions {
  /** What the cell adds to the forget gate when it runs; it becomes part of the bias here. Default 1, as there. */
  readonly forgetBias?: number;
}

const variables: Readonly<Record<string, keyof CellVariables>> = {
  kernel: 'kernel',
  bias: 'bias',
  'projection/kernel': 'projection',
  w_i_diag: 'i',
  w_f_diag: 'f',
  w_o_diag: 'o',
};

/** Variables of one cell. */
interface CellVariables {
  /** [I + P, 4H] */
  readonly kernel?: Tensor;
  /** [4H] */
  readonly bias?: Tensor;
  /** [H, P] */
  readonly projection?: Tensor;
  /** [H], peepholes */
  readonly i?: Tensor;
  readonly f?: Tensor;
  readonly o?: Tensor;
}

/**
 * Weights of TensorFlow's `BasicLSTMCell` or `LSTMCell`, alone or in a `MultiRNNCell`, by the names of their variables.
 *
 *   [x, h] · kernel + bias = i, j, f, o     c ← σ(f + forgetBias) ∘ c + σ(i) ∘ tanh j     h ← σ(o) ∘ tanh c
 *
 *   cell_0/basic_lstm_cell/kernel   [I + H, 4H]     or lstm_cell; without cell_0/ for one cell alone
 *   cell_0/basic_lstm_cell/bias     [4H]
 *   …/w_i_diag, w_f_diag, w_o_diag  [H]             peepholes of an LSTMCell
 *   …/projection/kernel             [H, P]          of an LSTMCell with num_proj; its kernel is [I + P, 4H]
 *
 * Keras' layers of the same name are another format: `lstmFromKeras`.
 *
 * @param named    tensors by name
 * @param prefix   what the names begin with, such as `rnn/multi_rnn_cell/`; other names are left out
 * @param options  forgetBias
 * @returns        one layer per cell, for `lstmStack`; the forget bias is part of `biasIh`
 * @throws FormatError  a name that the cells do not have, a missing cell or variable, shapes that do not fit together
 */
export function lstmFromTensorFlow(
  named: NamedTensors,
  prefix: string = '',
  { forgetBias = 1 }: TensorFlowLstmOptions = {},
): LstmLayer[] {
  const cells: CellVariables[] = [];
  const entries = named instanceof Map ? [...named] : Object.entries(named as Record<string, Tensor>);
  for (const [name, value] of entries) {
    if (!name.startsWith(prefix)) continue;
    const match = /^(?:cell_(\d+)\/)?(?:basic_)?lstm_cell\/(.+)$/.exec(name.slice(prefix.length));
    const field = match && Object.hasOwn(variables, match[2]) && variables[match[2]];
    if (!match || !field)
      throw new FormatError(
        `lstmFromTensorFlow: names must be cell_0/basic_lstm_cell/kernel, …/bias, …, got ${name}. Leave it out or give the prefix.`,
      );
    const l = Number(match[1] ?? 0);
    if (cells[l]?.[field])
      throw new FormatError(
        `lstmFromTensorFlow: each cell must have one ${match[2]}, got another as ${name}. Give the prefix of one network.`,
      );
    cells[l] = { ...cells[l], [field]: value };
  }
  if (cells.length === 0)
    throw new FormatError(
      `lstmFromTensorFlow: at least one cell is needed, got no name with the prefix "${prefix}". Check the prefix.`,
    );
  return Array.from(cells, (cell, l) => ({ forward: tensorFlowCell(cell ?? {}, l, forgetBias) }));
}

const order = { file: 'i, j, f, o', from: [0, 2, 1, 3] };

function tensorFlowCell(cell: CellVariables, l: number, forgetBias: number): LstmWeights {
  const { kernel, bias, projection } = cell;
  if (!kernel || !bias)
    throw new FormatError(
      `lstmFromTensorFlow: cell ${l} must have kernel and bias, got ${Object.keys(cell).join(', ') || 'none'}. Give every cell from 0 on.`,
    );
  const H = bias.shape[0] / 4;
  const P = projection ? projection.shape[1] : H;
  const diagonals = [cell.i, cell.f, cell.o].filter((d) => d !== undefined);
  const fits =
    bias.ndim === 1 &&
    Number.isInteger(H) &&
    kernel.ndim === 2 &&
    kernel.shape[1] === 4 * H &&
    kernel.shape[0] > P &&
    (!projection || (projection.ndim === 2 && projection.shape[0] === H)) &&
    (diagonals.length === 0 || diagonals.length === 3) &&
    diagonals.every((d) => d.shape.join() === String(H));
  if (!fits)
    throw new FormatError(
      `lstmFromTensorFlow: kernel, bias, projection and the three diagonals must be [I + P, 4H], [4H], [H, P] and [H], got ${[kernel, bias, projection, ...diagonals].map((w) => (w ? show(w.shape) : 'none')).join(', ')} in cell ${l}. Give all variables of the cell.`,
    );
  return scope(() => {
    const I = kernel.shape[0] - P;
    const rows = (from: number, to: number): Tensor =>
      reorder(transpose(slice(kernel, 0, from, to)), order, H);
    const like = { device: bias.device, dtype: bias.dtype };
    const raised = concat([zeros([H], like), full([H], forgetBias, like), zeros([2 * H], like)]);
    return {
      weightIh: rows(0, I),
      weightHh: rows(I, I + P),
      biasIh: add(reorder(bias, order, H), raised),
      ...(projection && { weightHr: transpose(projection) }),
      ...(diagonals.length === 3 && { peepholes: concat(diagonals) }),
    };
  });
}
