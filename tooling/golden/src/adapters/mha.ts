import { not, reshape, softmax } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { linear } from '@seq/nn';
import { attentionScores } from '@seq/attention';
import { Unsupported } from '../adapter.js';
import type { Adapter, Inputs } from '../adapter.js';
import { optional } from '../over-last.js';
import type { Core } from './core.js';

/** torch.nn.MultiheadAttention with batch_first: self- and cross-attention, causal, key padding (true = ignore). */
export const mhaOver =
  ({ attend }: Core): Adapter =>
  (options) => {
    const C = options.number('embed_dim', NaN);
    const H = options.number('num_heads', NaN);
    const causal = options.flag('causal', false);
    const biased = options.flag('bias', true);
    if (!options.flag('batch_first', true)) throw new Unsupported('option batch_first must be true');
    for (const name of ['add_bias_kv', 'add_zero_attn'])
      if (options.flag(name, false)) throw new Unsupported(`option ${name} must be false`);
    for (const name of ['kdim', 'vdim'])
      if (options.number(name, C) !== C) throw new Unsupported(`option ${name} must be null or embed_dim`);
    options.says('key_padding_mask', /^true = IGNORE this key$/);

    /** The i-th of the three projections [Wq; Wk; Wv], in heads. */
    const project = (inputs: Inputs, x: Tensor, i: number): Tensor => {
      const rows = (name: string): Tensor => inputs(name).slice(0, i * C, (i + 1) * C);
      const params = {
        weight: rows('param.in_proj_weight'),
        ...(biased && { bias: rows('param.in_proj_bias') }),
      };
      return reshape(linear(x, params), [x.shape[0], x.shape[1], H, C / H]);
    };
    return {
      outputs(inputs) {
        const x = inputs('in.q');
        const key = optional(inputs, 'in.k') ?? x;
        const value = optional(inputs, 'in.v') ?? key;
        const [q, k, v] = [x, key, value].map((input, i) => project(inputs, input, i));
        const ignored = optional(inputs, 'in.key_padding_mask');
        const o = { causal, ...(ignored && { mask: reshape(not(ignored), [-1, 1, 1, k.shape[1]]) }) };
        const out = {
          weight: inputs('param.out_proj.weight'),
          ...(biased && { bias: inputs('param.out_proj.bias') }),
        };
        return {
          y: linear(reshape(attend(q, k, v, o), x.shape), out),
          attn: softmax(attentionScores(q, k, o), -1),
        };
      },
    };
  };
