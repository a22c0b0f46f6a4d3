import type { Tensor } from '@seq/tensor';
import { layerFromKeras, layerFromOnnx } from '../internal/formats.js';
import type { OnnxWeights } from '../internal/formats.js';
import type { ElmanLayer } from './stack.js';

const order = { file: 'h', from: [0] };

/**
 * Weights of a Keras `SimpleRNN`, as `get_weights()` lists them: kernel [I, H], recurrent kernel [H, H], bias [H].
 *
 * A `Bidirectional` layer has them twice, the layer running forward first.
 *
 * @throws FormatError  shapes that do not fit together
 */
export function elmanFromKeras(weights: readonly Tensor[]): ElmanLayer {
  return layerFromKeras('elmanFromKeras', weights, order, 1);
}

/**
 * Weights of an ONNX `RNN` node: W [D, H, I], R [D, H, H], B [D, 2H]; D = 2 where it runs in both directions.
 *
 * Of a node with `direction = reverse` the weights are in `forward` all the same: run `elmanSequence` with `reverse`.
 *
 * @throws FormatError  shapes that do not fit together
 */
export function elmanFromOnnx(node: OnnxWeights): ElmanLayer {
  return layerFromOnnx('elmanFromOnnx', node, order);
}
