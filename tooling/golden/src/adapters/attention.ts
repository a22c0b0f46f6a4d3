import { cast, mul, reshape, softmax } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { attentionScores } from '@seq/attention';
import type { AttendOptions } from '@seq/attention';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { optional } from '../over-last.js';
import type { Core } from './core.js';

/**
 * attention_ref of flash-attention: causal, window_size [left, right] with −1 for no bound, softcap (0 = none), ALiBi
 * slopes, an additive bias, padding masks of keys and queries, grouped heads. Padded queries give 0.
 */
export const attentionOver =
  ({ attendWithLse }: Core): Adapter =>
  (options) => {
    const causal = options.flag('causal', false);
    const [left, right] = options.numbers('window_size', [-1, -1]);
    const softcap = options.number('softcap', 0);
    const alibi = options.flag('alibi', false);
    options.says('scale', /^1\/sqrt\(D\)$/);
    options.says('gqa', /query head h uses kv head h \/\/ \(HQ\/H\)$/);
    options.says('mask_alignment', /^bottom-right: .* -1 = unlimited; fully masked rows give o=0$/);
    for (const name of ['sink_token_length', 'attention_chunk'])
      if (options.number(name, 0) !== 0) throw new Unsupported(`option ${name} must be 0`);
    const bound = (n: number): number => (n < 0 ? Infinity : n);
    return {
      outputs(inputs) {
        const [q, k, v] = [inputs('in.q'), inputs('in.k'), inputs('in.v')];
        const [T, S] = [q.shape[1], k.shape[1]];
        if (alibi !== inputs.has('in.alibi_slopes'))
          throw new Unsupported(`option alibi=${alibi} does not fit the inputs of the case`);
        const [keys, queries] = [
          optional(inputs, 'in.key_padding_mask'),
          optional(inputs, 'in.query_padding_mask'),
        ];
        const bias = optional(inputs, 'in.attn_bias');
        const o: AttendOptions = {
          causal,
          windowSize: [bound(left), bound(right)],
          ...(softcap > 0 && { softcap }),
          ...(bias && { bias }),
          ...(alibi && { alibiSlopes: inputs('in.alibi_slopes') }),
          ...(keys && { mask: reshape(keys, [-1, 1, 1, S]) }),
        };
        const [y, lse] = attendWithLse(q, k, v, o);
        const attn = softmax(attentionScores(q, k, o), -1);
        if (!queries) return { o: y, lse, attn };
        const kept = (shape: readonly number[]): Tensor => cast(reshape(queries, shape), y.dtype);
        return { o: mul(y, kept([-1, T, 1, 1])), lse, attn: mul(attn, kept([-1, 1, T, 1])) };
      },
    };
  };

/** naive_parallel_attn of flash-linear-attention: sinks in the denominator, a window of W keys in all. */
export const attentionSinkOver =
  ({ attendWithLse }: Core): Adapter =>
  (options) => {
    const causal = options.flag('causal', true);
    const windowSize = options.given('window_size') ? options.number('window_size', 0) : undefined;
    options.number('window_size', 0);
    options.says('window_meaning', /^fla: keys i-window\+1\.\.i/);
    options.says('sink', /joins the denominator only$/);
    return {
      outputs(inputs) {
        const [q, k, v, sinks] = [inputs('in.q'), inputs('in.k'), inputs('in.v'), inputs('in.sink_bias')];
        const o: AttendOptions = { causal, sinks, ...(windowSize !== undefined && { windowSize }) };
        const [y] = attendWithLse(q, k, v, o);
        const largest = attentionScores(q, k, o)
          .max(-1)
          .maximum(reshape(sinks, [-1, 1])); // [B, H, T]
        return { o: y, max_logits: largest.swapAxes(1, 2) };
      },
    };
  };
