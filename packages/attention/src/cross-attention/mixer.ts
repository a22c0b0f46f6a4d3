import { OptionError, reshape, scope, ShapeError, show, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, linear, linearInit, normalInit, uniformFan, xavierUniform, zerosInit } from '@seq/nn';
import type { CausalMixer, Cost, CostAt, LinearParams, RunOptions } from '@seq/nn';
import { attend } from '../attention/op.js';
import { resolveOptions } from '../attention/options.js';
import type { AttentionOptions } from '../attention/options.js';

/** Options of the `crossAttention` mixer. */
export interface CrossAttentionOptions extends Pick<
  AttentionOptions,
  'dModel' | 'numHeads' | 'numKvHeads' | 'headDim' | 'scale' | 'softcap' | 'bias' | 'outBias' | 'initStd'
> {
  /** Width E of the context. Default C. */
  readonly contextDim?: number;
}

/** Parameters of the `crossAttention` mixer. */
export interface CrossAttentionParams {
  /** weight [H D, C], bias [H D] */
  readonly q: LinearParams;
  /** weight [2 G D, E], rows k heads, v heads; bias [2 G D] */
  readonly kv: LinearParams;
  /** weight [C, H D], bias [C] */
  readonly out: LinearParams;
}

/** Keys and values [B, S, G, D] of a context. */
export interface ContextKeys {
  readonly k: Tensor;
  readonly v: Tensor;
}

/** Where a cost is asked for; S is the length of the context, past + T if absent. */
export interface CrossCostAt extends CostAt {
  readonly S?: number;
}

/** Cross-attention in two halves, so that many steps can share one projection of their context. */
export interface CrossAttentionMixer extends CausalMixer<CrossAttentionParams, Record<string, never>> {
  /** Keys and values of a context [B, S, E]. */
  keys(params: CrossAttentionParams, context: Tensor): ContextKeys;
  /** What queries x [B, T, C] find there, [B, T, C]; `mask` [B, S] bool is true where the context is no padding. */
  look(params: CrossAttentionParams, x: Tensor, keys: ContextKeys, mask?: Tensor): Tensor;
  cost(at: CrossCostAt): Cost;
}

/**
 * Multi-head attention of every position over a context of its own length, the run option `context` [B, S, E].
 *
 *   q_t = W_q x_t + b_q    k_j, v_j = W_kv c_j + b_kv
 *   o_t = Σ_j softmax_j(scale · q_t · k_j) v_j per head    y_t = W_out o_t + b_out
 *
 * Positions do not see each other, so that the mixer is causal and has no state; every call needs the context, and
 * projects it. `keys` and `look` do that apart. A context of length 0 gives b_out.
 *
 * `init`: W_q and W_kv Xavier-uniform, W_out U(±1/√(H D)), or N(0, initStd²) for all. Biases 0.
 *
 * @throws OptionError  numbers of heads that do not fit, sizes that are not positive integers, a call without context
 * @throws ShapeError   context that is not [B, S, E]
 * @see Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3
 */
export function crossAttention(options: CrossAttentionOptions): CrossAttentionMixer {
  const { contextDim: E = options.dModel, ...rest } = options;
  const o = resolveOptions({ ...rest, rope: false }, 'crossAttention');
  const { C, H, G, D } = o;
  if (!Number.isInteger(E) || E < 1)
    throw new OptionError(
      `crossAttention: contextDim must be a positive integer, got ${E}. Leave it out for dModel = ${C}.`,
    );

  const heads = (x: Tensor, n: number): Tensor => reshape(x, [x.shape[0], x.shape[1], n, D]);
  const keys = (params: CrossAttentionParams, context: Tensor): ContextKeys => {
    const kv = linear(context, params.kv);
    return { k: heads(kv.slice(2, 0, G * D), G), v: heads(kv.slice(2, G * D, 2 * G * D), G) };
  };
  const look = (params: CrossAttentionParams, x: Tensor, { k, v }: ContextKeys, mask?: Tensor): Tensor => {
    const found = attend(heads(linear(x, params.q), H), k, v, {
      scale: o.scale,
      ...(o.softcap !== undefined && { softcap: o.softcap }),
      ...(mask && { mask: reshape(mask, [mask.shape[0], 1, 1, mask.shape[1]]) }),
    });
    return linear(reshape(found, [x.shape[0], x.shape[1], H * D]), params.out);
  };
  const forward = (
    at: string,
    params: CrossAttentionParams,
    x: Tensor,
    { context }: RunOptions = {},
  ): Tensor => {
    if (!context)
      throw new OptionError(
        `crossAttention.${at}: context must be given, got none. Pass { context } of shape [B, S, ${E}].`,
      );
    if (context.ndim !== 3 || context.shape[0] !== x.shape[0] || context.shape[2] !== E)
      throw new ShapeError(
        `crossAttention.${at}: context must be [B, S, E] = [${x.shape[0]}, S, ${E}], got ${show(context.shape)}. Set contextDim to its width.`,
      );
    return look(params, x, keys(params, context));
  };

  const cost = ({ B, T, past = 0, S = past + T }: CrossCostAt): Cost => {
    const [inner, kv] = [H * D, 2 * G * D];
    const pairs = B * H * T * S;
    const matmulFlops = 4 * B * T * C * inner + 2 * B * S * E * kv + 4 * pairs * D;
    const biases = (o.bias ? B * (T * inner + S * kv) : 0) + (o.outBias ? B * T * C : 0);
    const scores = (o.softcap === undefined ? 5 : 8) * pairs;
    return {
      params: 2 * C * inner + E * kv + (o.bias ? inner + kv : 0) + (o.outBias ? C : 0),
      matmulFlops,
      flops: matmulFlops + biases + scores,
      stateFloats: 0,
    };
  };
  const mixer = defineMixer<CrossAttentionParams, Record<string, never>>({
    spec: {
      kind: 'seq/cross-attention',
      dModel: C,
      options: {
        contextDim: E,
        numHeads: H,
        numKvHeads: G,
        headDim: D,
        scale: o.scale,
        bias: o.bias,
        outBias: o.outBias,
        ...(o.softcap !== undefined && { softcap: o.softcap }),
        ...(o.initStd !== undefined && { initStd: o.initStd }),
      },
    },
    honours: ['context', 'lengths', 'resets'], // no position sees another: there is nothing to keep apart
    reach: 1,
    init(key: Key, place: TensorOptions = {}) {
      const [first, second, third] = split(key, 3);
      const matrix = o.initStd === undefined ? undefined : normalInit(o.initStd);
      const layer = (from: Key, I: number, O: number, bias: boolean, last = false): LinearParams =>
        linearInit(from, I, O, {
          bias,
          init: matrix ?? (last ? uniformFan : xavierUniform),
          biasInit: zerosInit,
          ...place,
        });
      return {
        q: layer(first, C, H * D, o.bias),
        kv: layer(second, E, 2 * G * D, o.bias),
        out: layer(third, H * D, C, o.outBias, true),
      };
    },
    initState: () => ({}),
    forward: (params, x, run) => forward('forward', params, x, run),
    prefill: (params, x, state, run) => [forward('prefill', params, x, run), state],
    step: (params, x, state, run) => [forward('step', params, x.expandDims(1), run).squeeze(1), state],
    cost,
  });
  return {
    ...mixer,
    keys: (params, context) => scope(() => keys(params, context)),
    look: (params, x, past, mask) => scope(() => look(params, x, past, mask)),
    cost,
  };
}
