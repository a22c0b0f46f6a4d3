import { attention } from '@seq/attention';
import type { AttentionParams } from '@seq/attention';
import { gatedFeedForward, rmsNorm } from '@seq/nn';
import type { CausalMixer } from '@seq/nn';
import { at, concat, slice, stack } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { Unsupported } from '../adapter.js';
import type { Adapter, Inputs, Options } from '../adapter.js';
import type { Core } from './core.js';

type Attention = ReturnType<typeof attention>;

/** One block with its parameters; `mix` runs the attention in whatever form. */
type Block = (x: Tensor, mix: (mixer: Attention, params: AttentionParams, h: Tensor) => Tensor) => Tensor;

/** Llama's TransformerBlock: grouped-query attention with rotary positions, SwiGLU, RMSNorm before each; biases none. */
export const llamaBlockOver =
  ({ mixer: core }: Core): Adapter =>
  (options) => {
    const dModel = options.number('dim', NaN);
    const numHeads = options.number('n_heads', NaN);
    const numKvHeads = options.number('n_kv_heads', numHeads);
    const eps = options.number('norm_eps', 1e-5);
    const hidden = hiddenOf(options, dModel);
    const rope = ropeOf(options);

    const block = (inputs: Inputs): Block => {
      const weight = (name: string): { weight: Tensor } => ({ weight: inputs(`param.${name}.weight`) });
      const [gate, down, up] = [1, 2, 3].map((i) => weight(`feed_forward.w${i}`));
      if (gate.weight.shape[0] !== hidden)
        throw new Unsupported(
          `options dim, multiple_of and ffn_dim_multiplier make ${hidden} inner channels, the weights of the case have ${gate.weight.shape[0]}`,
        );
      const mixer = attention({ dModel, numHeads, numKvHeads, rope, bias: false, ...(core && { core }) });
      const qkv = concat(['q', 'k', 'v'].map((n) => weight(`attention.w${n}`).weight));
      const params = { qkv: { weight: qkv }, out: weight('attention.wo') };
      const [first, second] = ['attention_norm', 'ffn_norm'].map(
        (name) =>
          (x: Tensor): Tensor =>
            rmsNorm(x, weight(name), { eps }),
      );
      return (x, mix) => {
        const h = x.add(mix(mixer, params, first(x)));
        return h.add(gatedFeedForward(second(h), { gate, up, down }, { activation: 'silu' }));
      };
    };

    return {
      outputs: (inputs) => ({
        y: block(inputs)(inputs('in.x'), (mixer, params, h) => mixer.forward(params, h)),
      }),

      states(inputs) {
        const x = inputs('in.x');
        const [B, T] = x.shape as [number, number, number];
        const run = block(inputs);
        let state: StateOf<Attention> | undefined;
        const ys: Tensor[] = [];
        for (let t = 0; t < T; t++) {
          const y = run(at(x, t, 1), (mixer, params, h) => {
            state ??= mixer.initState(B, { device: x.device, dtype: x.dtype, maxLength: T });
            const [mixed, next] = mixer.step(params, h, state);
            state = next;
            return mixed;
          });
          ys.push(y);
        }
        const { k, v } = state!;
        return { y_step: stack(ys, 1), cache_k: slice(k, 1, 0, T), cache_v: slice(v, 1, 0, T) };
      },
    };
  };

type StateOf<M> = M extends CausalMixer<AttentionParams, infer S> ? S : never;

/** Inner width of Llama's feed-forward network: 2/3 of 4 dim, times a factor, rounded up to a multiple. */
function hiddenOf(options: Options, dim: number): number {
  const multiple = options.number('multiple_of', 256);
  const factor = options.number('ffn_dim_multiplier', 1);
  const width = Math.trunc(factor * Math.trunc((2 * 4 * dim) / 3));
  return multiple * Math.ceil(width / multiple);
}

/** "interleaved, theta 10000", and the half-split pairs of Llama in Hugging Face's layout. */
function ropeOf(options: Options): { base: number; interleaved: boolean } {
  const text = options.text('rope', 'interleaved, theta 10000') ?? '';
  const [, style, theta] = /^(interleaved|half-split), theta ([\d.e]+)$/.exec(text) ?? [];
  if (style === undefined)
    throw new Unsupported(`option rope is "${text}", known is "interleaved, theta 10000" with its numbers`);
  return { base: options.number('rope_theta', Number(theta)), interleaved: style === 'interleaved' };
}
