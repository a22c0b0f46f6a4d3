import { activationFlops } from '@seq/nn';
import type { CausalMixer, Cost, CostAt } from '@seq/nn';
import type { Tree } from '@seq/tensor';
import type { ResolvedOptions } from './options.js';

/** Cost of the whole model: mixers, and around them embedding, norms, residuals, feed-forward and head. */
export function modelCost(
  {
    vocabSize: V,
    dModel: C,
    norm,
    feedForward,
    tieEmbeddings,
    embedding,
    head,
    headBias,
    residual,
  }: ResolvedOptions,
  mixers: readonly CausalMixer<Tree, Tree>[],
  at: CostAt,
): Cost {
  const T = at.form === 'step' ? 1 : at.T;
  const n = at.B * T;
  const total = { params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 };
  const add = (params: number, matmulFlops: number, elementFlops: number): void => {
    total.params += params;
    total.matmulFlops += matmulFlops;
    total.flops += matmulFlops + elementFlops;
  };
  const normParams = norm === 'layer' ? 2 * C : norm === 'rms' ? C : 0;
  const normFlops = norm === 'layer' ? 7 * n * C : norm === 'rms' ? 4 * n * C : 0;

  if (embedding) add(V * C, 0, 0);
  for (const mixer of mixers) {
    const own = mixer.cost({ ...at, T });
    add(own.params, own.matmulFlops, own.flops - own.matmulFlops);
    total.stateFloats += own.stateFloats;
    add(normParams, 0, normFlops + (residual ? n * C : 0));
    if (!feedForward) continue;
    const { hidden: F, gated, bias, activation } = feedForward;
    const weights = (gated ? 3 : 2) * C * F;
    const biases = bias ? (gated ? 2 : 1) * F + C : 0;
    const elements = n * F * (activationFlops(activation) + (gated ? 1 : 0)) + n * biases;
    add(weights + biases + normParams, 2 * n * weights, elements + normFlops + (residual ? n * C : 0));
  }
  add(normParams, 0, normFlops);
  if (head) add(tieEmbeddings ? 0 : V * C, 2 * n * V * C, 0);
  if (headBias) add(V, 0, n * V);
  return total;
}
