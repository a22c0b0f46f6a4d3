import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import type { NamedTensors } from '@seq/nn';
import { lstm, lstmFromTensorFlow } from '@seq/rnn';
import { FormatError } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/**
 * A character model of ml5.js' charRNN, trained in TensorFlow: an embedding, LSTM layers, an affine head.
 *
 * @param tensors  `embedding` [V, C], cells under `rnnlm/multi_rnn_cell/`, `rnnlm/softmax_w` [C, V], `rnnlm/softmax_b` [V]
 * @throws FormatError  a missing tensor
 */
export function charLstm(tensors: ReadonlyMap<string, Tensor>): {
  lm: LanguageModel;
  params: LanguageModelParams;
} {
  const need = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new FormatError(`charLstm: ${name} is missing. Give the tensors of a charRNN.`);
    return tensor;
  };
  const table = need('embedding');
  const cells: NamedTensors = tensors;
  const layers = lstmFromTensorFlow(cells, 'rnnlm/multi_rnn_cell/');
  const [vocabSize, dModel] = table.shape;
  const lm = languageModel({
    vocabSize,
    dModel,
    mixers: layers.map(() => lstm({ dModel })),
    feedForward: false,
    norm: false,
    residual: false,
    headBias: true,
  });
  return {
    lm,
    params: {
      embedding: { weight: table },
      blocks: layers.map(({ forward }) => ({ mixer: { ...forward } })),
      head: { weight: need('rnnlm/softmax_w').transpose().contiguous(), bias: need('rnnlm/softmax_b') },
    },
  };
}
