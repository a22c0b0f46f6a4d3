import { arange, expandDims, eye, ge, max, reshape, where, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Adapter } from '../adapter.js';
import type { Core } from './core.js';

/**
 * Softmax over scores [N, M] that weighs v [M, D], and the largest score and the log-sum-exp of every prefix: attention
 * whose scores are a bias, a causal one for the prefixes.
 */
export const onlineSoftmaxOver =
  ({ attendWithLse }: Core): Adapter =>
  () => ({
    outputs(inputs) {
      const [scores, v] = [inputs('in.scores'), inputs('in.v')];
      const [N, M] = scores.shape;
      const like = { device: v.device, dtype: v.dtype };
      /** o [B, T, V] and lse [B, T] of scores that are a bias [B, 1, 1 or T, M]. */
      const weigh = (bias: Tensor, T: number, values: Tensor, causal: boolean): [Tensor, Tensor] => {
        const [B, V] = [bias.shape[0], values.shape[1]];
        const heads = (n: number): Tensor => zeros([B, n, 1, 1], like);
        const all = values.expandDims(0).expandDims(2).broadcastTo([B, M, 1, V]);
        const [o, lse] = attendWithLse(heads(T), heads(M), all, { bias, causal });
        return [reshape(o, [B, T, V]), reshape(lse, [B, T])];
      };
      const [o, lse] = weigh(reshape(scores, [1, 1, N, M]), N, v, false);
      const [p] = weigh(reshape(scores, [1, 1, N, M]), N, eye(M, like), false);
      const [, running] = weigh(reshape(scores, [N, 1, 1, M]), M, v, true);
      const places = arange(0, M, 1, { dtype: 'i32', device: v.device });
      const seen = ge(expandDims(places, 1), places);
      return {
        o: reshape(o, v.shape.with(0, N)),
        p: reshape(p, [N, M]),
        lse: reshape(lse, [N]),
        running_lse: running,
        running_max: max(where(seen, expandDims(scores, 1), -1e30), -1),
      };
    },
  });
