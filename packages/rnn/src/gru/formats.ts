import type { Tensor } from '@seq/tensor';
import { layerFromKeras, layerFromOnnx } from '../internal/formats.js';
import type { OnnxWeights } from '../internal/formats.js';
import type { GruCellOptions } from './op.js';
import type { GruLayer } from './stack.js';

/** Both formats have z, r, h; ours is r, z, n. */
const order = { file: 'z, r, h', from: [1, 0, 2] };

/**
 * Weights of a Keras `GRU`, as `get_weights()` lists them: kernel [I, 3H], recurrent kernel [H, 3H], bias [2, 3H].
 *
 * A layer with `reset_after=False` has a bias [3H]; it is read with `resetAfter: false`, and must run with it too. A
 * `Bidirectional` layer has all twice, the layer running forward first.
 *
 * @throws FormatError  shapes that do not fit together, a bias of the other form
 */
export function gruFromKeras(
  weights: readonly Tensor[],
  { resetAfter = true }: GruCellOptions = {},
): GruLayer {
  return layerFromKeras('gruFromKeras', weights, order, resetAfter ? 2 : 1);
}

/**
 * Weights of an ONNX `GRU` node: W [D, 3H, I], R [D, 3H, H], B [D, 6H]; D = 2 where it runs in both directions.
 *
 * A node with `linear_before_reset = 0`, the default there, must run with `resetAfter: false`. Of a node with
 * `direction = reverse` the weights are in `forward` all the same: run `gruSequence` with `reverse`.
 *
 * @throws FormatError  shapes that do not fit together
 */
export function gruFromOnnx(node: OnnxWeights): GruLayer {
  return layerFromOnnx('gruFromOnnx', node, order);
}
