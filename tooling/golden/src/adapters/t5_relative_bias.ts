import { concat } from '@seq/tensor';
import { t5RelativeBias as biasOf, t5RelativeBuckets } from '@seq/attention';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';

/** Buckets of T5 for all distances j − i of n positions, and the bias of the first key in the last query's row. */
export const t5RelativeBias: Adapter = (options) => {
  const n = options.number('n', NaN);
  const numBuckets = options.number('num_buckets', 32);
  const maxDistance = options.number('max_distance', 128);
  const causal = options.flag('causal', false);
  return {
    outputs(inputs) {
      const embedding = inputs('param.embedding');
      if (embedding.shape[0] !== numBuckets)
        throw new Unsupported(`option num_buckets=${numBuckets} does not fit the embedding of the case`);
      const buckets = t5RelativeBuckets(n, n, { numBuckets, maxDistance, causal, device: embedding.device });
      const bias = biasOf(embedding, n, n, { maxDistance, causal }); // [H, n, n]
      return {
        // Distances −(n − 1) … 0 stand in the last row, 1 … n − 1 in the first.
        bucket_of_rel: concat([buckets.at(n - 1), buckets.at(0).slice(0, 1)], 0),
        bias_row: bias.at(n - 1, 1).at(0, 1),
      };
    },
  };
};
