import { feedForward, gatedFeedForward, layerNorm, rmsNorm } from '@seq/nn';
import type { FeedForwardParams, GatedFeedForwardParams, LayerNormParams, RmsNormParams } from '@seq/nn';
import type { Tensor, Tree } from '@seq/tensor';
import type { ResolvedOptions } from './options.js';

/** The normalisation of the options, or nothing. [..., C] → [..., C] */
export function applyNorm(
  { norm, normEps: eps }: Pick<ResolvedOptions, 'norm' | 'normEps'>,
  x: Tensor,
  params: Tree,
): Tensor {
  if (norm === false) return x;
  return norm === 'rms'
    ? rmsNorm(x, params as RmsNormParams, { eps })
    : layerNorm(x, params as LayerNormParams, { eps });
}

/** The feed-forward network of the options. [..., C] → [..., C] */
export function applyFeedForward(
  { gated, activation }: Exclude<ResolvedOptions['feedForward'], false>,
  x: Tensor,
  params: Tree,
): Tensor {
  return gated
    ? gatedFeedForward(x, params as GatedFeedForwardParams, { activation })
    : feedForward(x, params as FeedForwardParams, { activation });
}
