import {
  embeddingInit,
  feedForwardInit,
  gatedFeedForwardInit,
  layerNormInit,
  normalInit,
  rmsNormInit,
} from '@seq/nn';
import type { CausalMixer, Initializer } from '@seq/nn';
import { foldIn, scope, zeros } from '@seq/tensor';
import type { Key, TensorOptions, Tree } from '@seq/tensor';
import type { ResolvedOptions } from './options.js';
import type { BlockParams, LanguageModelParams } from './types.js';

/** Standard deviation of a fresh head: first predictions are close to uniform. */
const headStd = 0.02;

/** Parameters from a key. Every part has a key of its own, so adding a block leaves the others as they were. */
export function initParams(
  {
    vocabSize: V,
    dModel: C,
    norm,
    feedForward,
    tieEmbeddings,
    embeddingStd,
    embedding,
    head,
    headBias,
  }: ResolvedOptions,
  mixers: readonly CausalMixer<Tree, Tree>[],
  key: Key,
  options: TensorOptions = {},
): LanguageModelParams {
  const o = { device: key.device, ...options };
  return scope(() => {
    const table = (std: number): { init: Initializer } => ({ ...o, init: normalInit(std) });
    const normParams = (): Tree => (norm === 'rms' ? rmsNormInit(C, o) : layerNormInit(C, o));
    const blocks = mixers.map((mixer, i): BlockParams => {
      const own = foldIn(key, 2 + i);
      return {
        ...(norm ? { norm: normParams() } : {}),
        mixer: mixer.init(foldIn(own, 0), o),
        ...(feedForward && norm ? { feedForwardNorm: normParams() } : {}),
        ...(feedForward ? { feedForward: feedForwardParams(foldIn(own, 1), C, feedForward, o) } : {}),
      };
    });
    return {
      ...(embedding ? { embedding: embeddingInit(foldIn(key, 0), V, C, table(embeddingStd)) } : {}),
      blocks,
      ...(norm ? { norm: normParams() } : {}),
      ...(head && !tieEmbeddings
        ? {
            head: {
              ...embeddingInit(foldIn(key, 1), V, C, table(headStd)),
              ...(headBias && { bias: zeros([V], o) }),
            },
          }
        : {}),
    };
  });
}

function feedForwardParams(
  key: Key,
  C: number,
  { hidden, gated, bias }: Exclude<ResolvedOptions['feedForward'], false>,
  o: TensorOptions,
): Tree {
  return (gated ? gatedFeedForwardInit : feedForwardInit)(key, C, { ...o, hidden, bias });
}
