import { attention, attentionFromTorch } from '@seq/attention';
import type { AttentionCore } from '@seq/attention';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { layerFromTorch } from '@seq/nn';
import type { NamedTensors } from '@seq/nn';

/** Sizes of a Llama, by the names of its configuration. */
export interface LlamaConfig {
  readonly dim: number;
  readonly hidden_dim: number;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly n_kv_heads: number;
  readonly vocab: number;
  readonly max_seq_len: number;
}

/**
 * A Llama with tied output: causal attention with grouped heads and interleaved rotary positions, SwiGLU, RMSNorm before both.
 *
 * @param named  tensors by the names of llama2.c: `tok_embeddings`, `layers.l.attention.wq`, …, `norm`
 * @param core   what computes attention; absent: the mixer's own
 * @throws FormatError  a missing tensor
 */
export function llama(
  named: NamedTensors,
  { dim, hidden_dim: hidden, n_layers, n_heads, n_kv_heads, vocab, max_seq_len }: LlamaConfig,
  core?: AttentionCore,
): { lm: LanguageModel; params: LanguageModelParams } {
  const block = attention({
    dModel: dim,
    numHeads: n_heads,
    numKvHeads: n_kv_heads,
    rope: { interleaved: true },
    bias: false,
    maxLength: max_seq_len,
    ...(core && { core }),
  });
  const layers = Array.from({ length: n_layers }, (_, l) => `layers.${l}`);
  const lm = languageModel({
    vocabSize: vocab,
    dModel: dim,
    mixers: layers.map(() => block),
    feedForward: { gated: true, hidden },
    normEps: 1e-5,
    tieEmbeddings: true,
  });
  const blocks = layers.map((layer) => {
    const take = (name: string) => layerFromTorch(named, `${layer}.${name}`);
    return {
      norm: take('attention_norm'),
      mixer: attentionFromTorch(named, `${layer}.attention.`),
      feedForwardNorm: take('ffn_norm'),
      feedForward: {
        gate: take('feed_forward.w1'),
        up: take('feed_forward.w3'),
        down: take('feed_forward.w2'),
      },
    };
  });
  return {
    lm,
    params: {
      embedding: layerFromTorch(named, 'tok_embeddings'),
      blocks,
      norm: layerFromTorch(named, 'norm'),
    },
  };
}
