import type { Tensor } from '@seq/tensor';
import type { NamedTensors } from '@seq/nn';
import { runStack } from '../internal/stack.js';
import type { Layer, StackOptions } from '../internal/stack.js';
import { cellFromTorch, hiddenNames, layersFromTorch, layersToTorch } from '../internal/torch.js';
import { gruSequence } from './op.js';
import type { GruCellOptions, GruWeights } from './op.js';

/** One layer of `gruStack`. */
export type GruLayer = Layer<GruWeights>;

/** Options of `gruStack`. */
export interface GruStackOptions extends StackOptions, GruCellOptions {
  /** [layers · directions, B, H] in the order l0, l0 reverse, l1, …; zero if absent. */
  readonly h0?: Tensor;
}

/**
 * GRU layers one above the other, in one or both directions of time: what PyTorch calls `nn.GRU`.
 *
 * Layer l reads the output of layer l − 1; a bidirectional layer gives [forward, reverse] side by side.
 *
 * @param x        [B, T, I], or [T, B, I] with batchFirst: false
 * @param layers   weights per layer; with `reverse` weights in all layers the stack is bidirectional
 * @param options  h0, lengths [B] i32, resetAfter, batchFirst, dropout between layers by key
 * @returns        y [B, T, H · directions] (or [T, B, ·]) and hN [layers · directions, B, H]
 * @throws ShapeError   as `gruSequence`; states of another number of layers
 * @throws DTypeError   as `gruSequence`
 * @throws OptionError  no layers, layers of unlike directions, dropout outside [0, 1)
 */
export function gruStack(
  x: Tensor,
  layers: readonly GruLayer[],
  options: GruStackOptions = {},
): [y: Tensor, hN: Tensor] {
  const { h0, lengths, resetAfter = true } = options;
  const [y, [hN]] = runStack('gruStack', x, layers, [h0], options, (input, weights, [first], reverse) => {
    const [out, h] = gruSequence(input, weights, {
      reverse,
      resetAfter,
      ...(first && { h0: first }),
      ...(lengths && { lengths }),
    });
    return [out, [h]];
  });
  return [y, hN];
}

/**
 * Weights of a PyTorch `nn.GRU` by their names there: `weight_ih_l0`, `bias_hh_l1_reverse`, …
 *
 * @param prefix  what the names begin with, such as `encoder.`; other names are left out
 * @throws FormatError  a name that `nn.GRU` does not have, a missing layer, matrix or direction
 */
export function gruFromTorch(named: NamedTensors, prefix: string = ''): GruLayer[] {
  return layersFromTorch<GruWeights>('gruFromTorch', named, hiddenNames, prefix);
}

/**
 * Weights of a PyTorch `nn.GRUCell` by their names there: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
 *
 * @param prefix  what the names begin with, such as `decoder.`
 * @throws FormatError  a missing matrix
 */
export function gruCellFromTorch(named: NamedTensors, prefix: string = ''): GruWeights {
  return cellFromTorch<GruWeights>('gruCellFromTorch', named, hiddenNames, prefix);
}

/** The weights of a stack under the names of a PyTorch `nn.GRU`. */
export function gruToTorch(layers: readonly GruLayer[], prefix: string = ''): Record<string, Tensor> {
  return layersToTorch(layers, hiddenNames, prefix);
}
