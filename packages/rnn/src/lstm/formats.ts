import { FormatError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerFromKeras, layerFromOnnx } from '../internal/formats.js';
import type { OnnxWeights } from '../internal/formats.js';
import type { LstmLayer } from './stack.js';

/**
 * Weights of a Keras `LSTM`, as `get_weights()` lists them: kernel [I, 4H], recurrent kernel [H, 4H], bias [4H].
 *
 * Gates i, f, c, o there, which is our order. A `Bidirectional` layer has all twice, the layer running forward first.
 *
 * @throws FormatError  shapes that do not fit together
 */
export function lstmFromKeras(weights: readonly Tensor[]): LstmLayer {
  return layerFromKeras('lstmFromKeras', weights, { file: 'i, f, c, o', from: [0, 1, 2, 3] }, 1);
}

/** Inputs of an ONNX `LSTM` node that are weights. */
export interface OnnxLstmWeights extends OnnxWeights {
  /** [D, 3H] peepholes: named here only to be refused. */
  readonly P?: Tensor;
}

/**
 * Weights of an ONNX `LSTM` node: W [D, 4H, I], R [D, 4H, H], B [D, 8H]; D = 2 where it runs in both directions.
 *
 * Gates i, o, f, c there. Of a node with `direction = reverse` the weights are in `forward` all the same: run
 * `lstmSequence` with `reverse`.
 *
 * @throws FormatError  shapes that do not fit together; peepholes, which this LSTM does not have
 */
export function lstmFromOnnx(node: OnnxLstmWeights): LstmLayer {
  if (node.P)
    throw new FormatError(
      `lstmFromOnnx: the node must have no peepholes, got P ${show(node.P.shape)}. Leave P out if all of it is 0; otherwise this cell cannot run it.`,
    );
  return layerFromOnnx('lstmFromOnnx', node, { file: 'i, o, f, c', from: [0, 2, 3, 1] });
}
