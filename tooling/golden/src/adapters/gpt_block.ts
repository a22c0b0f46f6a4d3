import { attention } from '@seq/attention';
import { feedForward, layerNorm } from '@seq/nn';
import type { Activation, LinearParams } from '@seq/nn';
import type { Tensor } from '@seq/tensor';
import { Unsupported } from '../adapter.js';
import type { Adapter, Inputs, Options } from '../adapter.js';
import { optional } from '../over-last.js';
import type { Core } from './core.js';

/** The block of minGPT: causal attention and a feed-forward network, each normalised before (or after) and added. */
export const gptBlockOver =
  ({ mixer: core }: Core): Adapter =>
  (options) => {
    const C = options.number('n_embd', NaN);
    const numHeads = options.number('n_head', NaN);
    const eps = options.number('layer_norm_eps', 1e-5);
    const activation = geluOf(options);
    const order = options.text('order', 'pre-norm');
    if (order !== 'pre-norm' && order !== 'post-norm')
      throw new Unsupported(`option order is "${order}", known are pre-norm and post-norm`);
    return {
      outputs(inputs) {
        const x = inputs('in.x');
        if (x.shape[2] !== C)
          throw new Unsupported(`option n_embd=${C} does not fit x [${x.shape.join(', ')}]`);
        const mixer = attention({ dModel: C, numHeads, rope: false, ...(core && { core }) });
        const qkv = affine(inputs, 'attn.c_attn');
        const out = affine(inputs, 'attn.c_proj');
        const attend = (h: Tensor): Tensor => mixer.forward({ qkv, out }, h);
        const mlp = { up: affine(inputs, 'mlp.c_fc'), down: affine(inputs, 'mlp.c_proj') };
        const think = (h: Tensor): Tensor => feedForward(h, mlp, { activation });
        const [first, second] = ['ln_1', 'ln_2'].map(
          (name) =>
            (h: Tensor): Tensor =>
              layerNorm(h, affine(inputs, name), { eps }),
        );
        if (order === 'post-norm') {
          const h = first(x.add(attend(x)));
          return { y: second(h.add(think(h))) };
        }
        const h = x.add(attend(first(x)));
        return { y: h.add(think(second(h))) };
      },
    };
  };

/** minGPT's own GELU is the tanh approximation. */
function geluOf(options: Options): Activation {
  const text = options.text('gelu', 'tanh approximation');
  if (text === 'tanh approximation' || text === 'tanh') return 'geluTanh';
  if (text === 'exact' || text === 'erf' || text === 'none') return 'gelu';
  throw new Unsupported(`option gelu is "${text}", known are tanh approximation and exact`);
}

/** Weight and, where the case has it, bias of one layer. */
function affine(inputs: Inputs, name: string): LinearParams {
  const bias = optional(inputs, `param.${name}.bias`);
  return { weight: inputs(`param.${name}.weight`), ...(bias && { bias }) };
}
