import { FormatError } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { NamedTensors } from '@seq/nn';
import { runStack } from '../internal/stack.js';
import type { Layer, StackOptions } from '../internal/stack.js';
import { cellFromTorch, hiddenNames, layersFromTorch, layersToTorch } from '../internal/torch.js';
import { lstmSequence } from './op.js';
import type { LstmWeights } from './op.js';

/** One layer of `lstmStack`. */
export type LstmLayer = Layer<LstmWeights>;

/** Options of `lstmStack`. */
export interface LstmStackOptions extends StackOptions {
  /** [layers · directions, B, P] in the order l0, l0 reverse, l1, …; zero if absent. */
  readonly h0?: Tensor;
  /** [layers · directions, B, H]; zero if absent. */
  readonly c0?: Tensor;
}

/**
 * LSTM layers one above the other, in one or both directions of time: what PyTorch calls `nn.LSTM`.
 *
 * Layer l reads the output of layer l − 1; a bidirectional layer gives [forward, reverse] side by side.
 * P is H, or the number of rows of `weightHr` in a stack with projections.
 *
 * @param x        [B, T, I], or [T, B, I] with batchFirst: false
 * @param layers   weights per layer; with `reverse` weights in all layers the stack is bidirectional
 * @param options  h0, c0, lengths [B] i32, batchFirst, dropout between layers by key
 * @returns        y [B, T, P · directions] (or [T, B, ·]), hN [layers · directions, B, P] and cN [layers · directions, B, H]
 * @throws ShapeError   as `lstmSequence`; states of another number of layers
 * @throws DTypeError   as `lstmSequence`
 * @throws OptionError  no layers, layers of unlike directions, dropout outside [0, 1)
 */
export function lstmStack(
  x: Tensor,
  layers: readonly LstmLayer[],
  options: LstmStackOptions = {},
): [y: Tensor, state: { hN: Tensor; cN: Tensor }] {
  const { h0, c0, lengths } = options;
  const [y, [hN, cN]] = runStack(
    'lstmStack',
    x,
    layers,
    [h0, c0],
    options,
    (input, weights, [h, c], reverse) => {
      const [out, state] = lstmSequence(input, weights, {
        reverse,
        ...(h && { h0: h }),
        ...(c && { c0: c }),
        ...(lengths && { lengths }),
      });
      return [out, [state.h, state.c]];
    },
  );
  return [y, { hN, cN }];
}

const names = { ...hiddenNames, weight_hr: { field: 'weightHr', optional: true } };

/**
 * Weights of a PyTorch `nn.LSTM` by their names there: `weight_ih_l0`, `weight_hr_l0`, `bias_hh_l1_reverse`, …
 *
 * @param prefix  what the names begin with, such as `encoder.`; other names are left out
 * @throws FormatError  a name that `nn.LSTM` does not have, a missing layer, matrix or direction
 */
export function lstmFromTorch(named: NamedTensors, prefix: string = ''): LstmLayer[] {
  return layersFromTorch<LstmWeights>('lstmFromTorch', named, names, prefix);
}

/**
 * Weights of a PyTorch `nn.LSTMCell` by their names there: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
 *
 * @param prefix  what the names begin with, such as `decoder.`
 * @throws FormatError  a missing matrix
 */
export function lstmCellFromTorch(named: NamedTensors, prefix: string = ''): LstmWeights {
  return cellFromTorch<LstmWeights>('lstmCellFromTorch', named, hiddenNames, prefix);
}

/**
 * The weights of a stack under the names of a PyTorch `nn.LSTM`.
 *
 * @throws FormatError  a layer with norms or peepholes, which `nn.LSTM` does not have
 */
export function lstmToTorch(layers: readonly LstmLayer[], prefix: string = ''): Record<string, Tensor> {
  for (const field of ['norms', 'peepholes'] as const) {
    const l = layers.findIndex(({ forward, reverse }) => forward[field] ?? reverse?.[field]);
    if (l >= 0)
      throw new FormatError(
        `lstmToTorch: layers must be without ${field}, got some in layer ${l}. nn.LSTM has no place for them.`,
      );
  }
  return layersToTorch(layers, names, prefix);
}
