import { at, concat, FormatError, scope, show, splitSizes, transpose } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Layer } from './stack.js';
import type { HiddenWeights } from './weights.js';

/** Inputs of an ONNX recurrent node by their names there; D is 2 for `direction = bidirectional`, else 1. */
export interface OnnxWeights {
  /** [D, G·H, I] */
  readonly W: Tensor;
  /** [D, G·H, H] */
  readonly R: Tensor;
  /** [D, 2·G·H], the input biases before the recurrent ones */
  readonly B?: Tensor;
}

/** How a file format lays out the gates of a cell. */
export interface GateOrder {
  /** The gates as the file names them, in its order. */
  readonly file: string;
  /** Place in the file of each gate of ours. */
  readonly from: readonly number[];
}

/** The weights of an ONNX node as one layer; `forward` is the node's only direction where it has one. */
export function layerFromOnnx(fn: string, node: OnnxWeights, order: GateOrder): Layer<HiddenWeights> {
  const { W, R, B } = node;
  const G = order.from.length;
  const [D, rows, H] = R.shape;
  const fits =
    R.ndim === 3 &&
    (D === 1 || D === 2) &&
    rows === G * H &&
    W.ndim === 3 &&
    W.shape[0] === D &&
    W.shape[1] === rows &&
    (!B || B.shape.join() === `${D},${2 * rows}`);
  if (!fits)
    throw new FormatError(
      `${fn}: W, R, B must be [D, ${G}H, I], [D, ${G}H, H] and [D, ${2 * G}H] with D = 1 or 2, got ${[W, R, B].map((w) => (w ? show(w.shape) : 'none')).join(', ')}. Give the node's inputs, gates ${order.file}.`,
    );
  return scope(() => {
    const direction = (d: number): HiddenWeights => {
      const biases = B && splitSizes(at(B, d, 0), [rows, rows], 0);
      return {
        weightIh: reorder(at(W, d, 0), order, H),
        weightHh: reorder(at(R, d, 0), order, H),
        ...(biases && { biasIh: reorder(biases[0], order, H), biasHh: reorder(biases[1], order, H) }),
      };
    };
    return D === 2 ? { forward: direction(0), reverse: direction(1) } : { forward: direction(0) };
  });
}

/**
 * The weights of a Keras layer, as its `get_weights()` lists them: kernel [I, G·H], recurrent kernel [H, G·H] and,
 * unless `use_bias = False`, bias; of a `Bidirectional` layer twice. The bias is [G·H] or, with `biasRows` 2, [2, G·H].
 */
export function layerFromKeras(
  fn: string,
  list: readonly Tensor[],
  order: GateOrder,
  biasRows: 1 | 2,
): Layer<HiddenWeights> {
  const G = order.from.length;
  const per = list.length % 3 === 0 ? 3 : 2;
  if (![2, 3, 4, 6].includes(list.length))
    throw new FormatError(
      `${fn}: weights must be kernel, recurrent kernel and maybe bias, for one or two directions, got ${list.length} tensors. Give get_weights() of one layer.`,
    );
  const direction = (kernel: Tensor, recurrent: Tensor, bias: Tensor | undefined): HiddenWeights => {
    const H = recurrent.shape[0];
    const wide = G * H;
    const biasShape = biasRows === 2 ? [2, wide] : [wide];
    const fits =
      recurrent.shape.join() === `${H},${wide}` &&
      kernel.ndim === 2 &&
      kernel.shape[1] === wide &&
      (!bias || bias.shape.join() === biasShape.join());
    if (!fits)
      throw new FormatError(
        `${fn}: kernel, recurrent kernel, bias must be [I, ${G}H], [H, ${G}H] and [${biasRows === 2 ? '2, ' : ''}${G}H], got ${[kernel, recurrent, bias].map((w) => (w ? show(w.shape) : 'none')).join(', ')}. Give get_weights() of one layer, gates ${order.file}${biasRows === 2 || G !== 3 ? '' : ', or leave out resetAfter: false'}.`,
      );
    const biases = bias && (biasRows === 2 ? [at(bias, 0, 0), at(bias, 1, 0)] : [bias]);
    return {
      weightIh: reorder(transpose(kernel), order, H),
      weightHh: reorder(transpose(recurrent), order, H),
      ...(biases?.[0] && { biasIh: reorder(biases[0], order, H) }),
      ...(biases?.[1] && { biasHh: reorder(biases[1], order, H) }),
    };
  };
  return scope(() => {
    const forward = direction(list[0], list[1], per === 3 ? list[2] : undefined);
    if (list.length === per) return { forward };
    return { forward, reverse: direction(list[per], list[per + 1], per === 3 ? list[5] : undefined) };
  });
}

/** Blocks of H rows in our order. */
export function reorder(w: Tensor, { from }: GateOrder, H: number): Tensor {
  const blocks = splitSizes(
    w,
    from.map(() => H),
    0,
  );
  return concat(
    from.map((i) => blocks[i]),
    0,
  );
}
