import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import {
  defineMixer,
  embedding,
  embeddingInit,
  layerFromTorch,
  layerNorm,
  layerNormInit,
  linear,
  linearInit,
} from '@seq/nn';
import type { CausalMixer, EmbeddingParams, LayerNormParams, LinearParams, NamedTensors } from '@seq/nn';
import { gru, gruCell, gruCellFromTorch } from '@seq/rnn';
import type { GruWeights } from '@seq/rnn';
import { concat, sigmoid, split, sub, tanh, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** Parameters of `memoryGru`. */
export interface MemoryGruParams {
  /** weight [block, C] */
  readonly positions: EmbeddingParams;
  /** Of a cell that reads [x, memory]: I = 2C, H = C */
  readonly cell: GruWeights;
  /** weight [1, C], bias [1] */
  readonly gate: LinearParams;
  /** weight [C, C], bias [C] */
  readonly writer: LinearParams;
  /** weight [C], bias [C] */
  readonly norm: LayerNormParams;
}

/** State of `memoryGru`. */
export interface MemoryGruState {
  /** [B, C] */
  readonly h: Tensor;
  /** [B, C] */
  readonly memory: Tensor;
  /** [B] i32, positions read so far */
  readonly position: Tensor;
}

/**
 * A GRU that also reads a memory, which a gate of one number per position rewrites from the state.
 *
 *   h ← GRU([x + E_pos[t], m], h)     p = σ(W_p h + b_p)     m ← (1 − p) m + p tanh(W_m h + b_m)     y = LN(h)
 *
 * The memory feeds back into the gates, so the train form is the fold of `step`. A position from `block` on is an
 * IndexError: there is no embedding for it.
 */
export function memoryGru({
  dModel: C,
  block,
}: {
  readonly dModel: number;
  readonly block: number;
}): CausalMixer<MemoryGruParams, MemoryGruState> {
  const cell = gru({ dModel: 2 * C, hiddenDim: C });
  return defineMixer<MemoryGruParams, MemoryGruState>({
    spec: { kind: 'golden/memoryGru', dModel: C, options: { block } },
    serial: true,
    init(key, o) {
      const keys = split(key, 4);
      const { out: _, ...weights } = cell.init(keys[1], o);
      return {
        positions: embeddingInit(keys[0], block, C, o),
        cell: weights,
        gate: linearInit(keys[2], C, 1, o),
        writer: linearInit(keys[3], C, C, o),
        norm: layerNormInit(C, o),
      };
    },
    initState: (B, o) => ({
      h: zeros([B, C], o),
      memory: zeros([B, C], o),
      position: zeros([B], { ...o, dtype: 'i32' }),
    }),
    step(params, x, { h, memory, position }) {
      const here = x.add(embedding(position, params.positions));
      const next = gruCell(concat([here, memory], 1), h, params.cell);
      const p = sigmoid(linear(next, params.gate)); // [B, 1]
      const written = tanh(linear(next, params.writer));
      const kept = memory.mul(sub(1, p)).add(written.mul(p));
      return [layerNorm(next, params.norm), { h: next, memory: kept, position: position.add(1) }];
    },
    cost({ B, T }) {
      const weights = 3 * C * (2 * C + C) + C + C * C;
      const matmulFlops = 2 * B * T * weights;
      return {
        params: weights + 6 * C + 1 + C + 2 * C + block * C,
        matmulFlops,
        flops: matmulFlops + B * T * (C + 16 * C + 2 + 2 * C + 3 * C + 1 + 7 * C),
        stateFloats: B * 2 * C,
      };
    },
  });
}

/**
 * The story model: an embedding, `memoryGru`, an affine head, from the names of its PyTorch module.
 *
 * @throws FormatError  a missing tensor
 */
export function storyGru(named: NamedTensors): { lm: LanguageModel; params: LanguageModelParams } {
  const tokens = layerFromTorch(named, 'token_emb');
  const positions = layerFromTorch(named, 'pos_emb');
  const [vocabSize, dModel] = tokens.weight.shape;
  const lm = languageModel({
    vocabSize,
    dModel,
    mixers: [memoryGru({ dModel, block: positions.weight.shape[0] })],
    feedForward: false,
    norm: false,
    residual: false,
    headBias: true,
  });
  const mixer: MemoryGruParams = {
    positions,
    cell: gruCellFromTorch(named, 'gru_cell.'),
    gate: layerFromTorch(named, 'priority_gate'),
    writer: layerFromTorch(named, 'memory_writer'),
    norm: layerFromTorch(named, 'ln_f'),
  };
  return {
    lm,
    params: { embedding: tokens, blocks: [{ mixer: { ...mixer } }], head: layerFromTorch(named, 'head') },
  };
}
