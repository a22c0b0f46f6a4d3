import { FormatError, scope, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerFromKeras, layerFromOnnx, reorder } from '../internal/formats.js';
import type { OnnxWeights } from '../internal/formats.js';
import type { LstmWeights } from './op.js';
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
  /** [D, 3H], peepholes of the gates i, o, f */
  readonly P?: Tensor;
}

/**
 * Weights of an ONNX `LSTM` node: W [D, 4H, I], R [D, 4H, H], B [D, 8H], P [D, 3H]; D = 2 where it runs in both directions.
 *
 * Gates i, o, f, c there. Of a node with `direction = reverse` the weights are in `forward` all the same: run
 * `lstmSequence` with `reverse`.
 *
 * @throws FormatError  shapes that do not fit together
 */
export function lstmFromOnnx(node: OnnxLstmWeights): LstmLayer {
  const layer = layerFromOnnx('lstmFromOnnx', node, { file: 'i, o, f, c', from: [0, 2, 3, 1] });
  const { P, R } = node;
  if (!P) return layer;
  const [D, , H] = R.shape;
  if (P.shape.join() !== `${D},${3 * H}`)
    throw new FormatError(
      `lstmFromOnnx: P must be [D, 3H] = ${show([D, 3 * H])}, got ${show(P.shape)}. Give the node's inputs, peepholes of i, o, f.`,
    );
  const seen = (weights: LstmWeights, d: number): LstmWeights => ({
    ...weights,
    peepholes: scope(() => reorder(P.at(d), { file: 'i, o, f', from: [0, 2, 1] }, H)),
  });
  const { forward, reverse } = layer;
  return { forward: seen(forward, 0), ...(reverse && { reverse: seen(reverse, 1) }) };
}
