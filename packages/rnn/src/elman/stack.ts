import type { Tensor } from '@seq/tensor';
import type { NamedTensors } from '@seq/nn';
import { runStack } from '../internal/stack.js';
import type { Layer, StackOptions } from '../internal/stack.js';
import { cellFromTorch, hiddenNames, layersFromTorch, layersToTorch } from '../internal/torch.js';
import { elmanSequence } from './op.js';
import type { ElmanCellOptions, ElmanWeights } from './op.js';

/** One layer of `elmanStack`. */
export type ElmanLayer = Layer<ElmanWeights>;

/** Options of `elmanStack`. */
export interface ElmanStackOptions extends StackOptions, ElmanCellOptions {
  /** [layers · directions, B, H] in the order l0, l0 reverse, l1, …; zero if absent. */
  readonly h0?: Tensor;
}

/**
 * Elman layers one above the other, in one or both directions of time: what PyTorch calls `nn.RNN`.
 *
 * Layer l reads the output of layer l − 1; a bidirectional layer gives [forward, reverse] side by side.
 *
 * @param x        [B, T, I], or [T, B, I] with batchFirst: false
 * @param layers   weights per layer; with `reverse` weights in all layers the stack is bidirectional
 * @param options  h0, lengths [B] i32, nonlinearity, batchFirst, dropout between layers by key
 * @returns        y [B, T, H · directions] (or [T, B, ·]) and hN [layers · directions, B, H]
 * @throws ShapeError   as `elmanSequence`; states of another number of layers
 * @throws DTypeError   as `elmanSequence`
 * @throws OptionError  as `elmanSequence`; no layers, layers of unlike directions, dropout outside [0, 1)
 */
export function elmanStack(
  x: Tensor,
  layers: readonly ElmanLayer[],
  options: ElmanStackOptions = {},
): [y: Tensor, hN: Tensor] {
  const { h0, lengths, nonlinearity = 'tanh' } = options;
  const [y, [hN]] = runStack('elmanStack', x, layers, [h0], options, (input, weights, [first], reverse) => {
    const [out, h] = elmanSequence(input, weights, {
      reverse,
      nonlinearity,
      ...(first && { h0: first }),
      ...(lengths && { lengths }),
    });
    return [out, [h]];
  });
  return [y, hN];
}

/**
 * Weights of a PyTorch `nn.RNN` by their names there: `weight_ih_l0`, `bias_hh_l1_reverse`, …
 *
 * @param prefix  what the names begin with, such as `encoder.`; other names are left out
 * @throws FormatError  a name that `nn.RNN` does not have, a missing layer, matrix or direction
 */
export function elmanFromTorch(named: NamedTensors, prefix: string = ''): ElmanLayer[] {
  return layersFromTorch<ElmanWeights>('elmanFromTorch', named, hiddenNames, prefix);
}

/**
 * Weights of a PyTorch `nn.RNNCell` by their names there: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
 *
 * @param prefix  what the names begin with, such as `decoder.`
 * @throws FormatError  a missing matrix
 */
export function elmanCellFromTorch(named: NamedTensors, prefix: string = ''): ElmanWeights {
  return cellFromTorch<ElmanWeights>('elmanCellFromTorch', named, hiddenNames, prefix);
}

/** The weights of a stack under the names of a PyTorch `nn.RNN`. */
export function elmanToTorch(layers: readonly ElmanLayer[], prefix: string = ''): Record<string, Tensor> {
  return layersToTorch(layers, hiddenNames, prefix);
}
