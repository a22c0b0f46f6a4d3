import {
  add,
  and,
  arange,
  cast,
  cumsum,
  eq,
  expandDims,
  ge,
  lt,
  max,
  OptionError,
  reshape,
  split,
  updateAt,
  where,
  zeros,
} from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import {
  defineMixer,
  linear,
  linearInit,
  normalInit,
  rope as rotate,
  uniformFan,
  xavierUniform,
  zerosInit,
} from '@seq/nn';
import type { CausalMixer, LinearParams, RunOptions } from '@seq/nn';
import { append, attendCached, cacheMask, reserve } from './cache.js';
import type { AttentionState } from './cache.js';
import { attend } from './op.js';
import { attentionCost, resolveOptions, specOptions } from './options.js';
import type { AttentionOptions } from './options.js';

/** Parameters of the `attention` mixer. */
export interface AttentionParams {
  /** weight [(H + 2G) D, C], rows q heads, k heads, v heads; bias [(H + 2G) D] */
  readonly qkv: LinearParams;
  /** weight [C, H D], bias [C] */
  readonly out: LinearParams;
}

/**
 * Causal multi-head softmax attention with grouped key-value heads, rotary positions and a preallocated cache.
 *
 *   q, k, v = W_qkv x + b    o_t = Σ_{j ≤ t} softmax_j(scale · q_t · k_j) v_j per head    y = W_out o + b_out
 *
 * Query head h reads key-value head ⌊h · G / H⌋. The state holds keys (already turned) and values in M slots
 * and the position as data, so that one plan serves every token; M is `maxLength` of `initState`. A call of T
 * positions needs T free slots in every row, padding included.
 *
 * `init`: W_qkv Xavier-uniform over the fused matrix, W_out U(±1/√(H D)), as PyTorch's MultiheadAttention; or
 * N(0, initStd²) for both. Biases 0.
 *
 * @throws OptionError  numbers of heads that do not fit, sizes that are not positive integers
 * @throws IndexError   code `index`, when a cache is full: at once where T > M, else when a result is read; nothing is written then
 * @see Vaswani et al. 2017, arXiv:1706.03762, section 3.2; GQA: Ainslie et al. 2023, arXiv:2305.13245; RoPE: Su et al. 2021, arXiv:2104.09864
 */
export function attention(options: AttentionOptions): CausalMixer<AttentionParams, AttentionState> {
  const o = resolveOptions(options);
  const { C, H, G, D } = o;
  const turn = (x: Tensor, offset?: Tensor): Tensor =>
    o.rope ? rotate(x, { ...o.rope, ...(offset && { offset }) }) : x;

  const project = (x: Tensor, params: AttentionParams): [q: Tensor, k: Tensor, v: Tensor] => {
    const [B, T] = x.shape;
    const qkv = linear(x, params.qkv);
    const heads = (from: number, n: number): Tensor =>
      reshape(qkv.slice(2, from * D, (from + n) * D), [B, T, n, D]);
    return [heads(0, H), heads(H, G), heads(H + G, G)];
  };
  const merge = (heads: Tensor, params: AttentionParams): Tensor => {
    const [B, T] = heads.shape;
    return linear(reshape(heads, [B, T, H * D]), params.out);
  };

  const prefill = (
    at: string,
    params: AttentionParams,
    x: Tensor,
    state: AttentionState,
    { lengths, resets }: RunOptions = {},
  ): [Tensor, AttentionState] => {
    const T = x.shape[1];
    const M = state.k.shape[1];
    if (T === 0) return [x, state];
    const position = reserve(at, state, T);
    const [q, k, v] = project(x, params);
    const turned = turn(q, position);
    const cache = append(state, turn(k, position), v, position);
    const next = add(position, lengths ?? T);
    if (!resets) {
      const heads = attendCached(turned, { ...cache, first: state.first, position }, { scale: o.scale });
      return [merge(heads, params), { ...cache, position: next, first: state.first }];
    }
    const { mask, first } = documents(state.first, position, resets, lengths, M);
    const heads = attend(turned, cache.k, cache.v, {
      mask: and(mask, cacheMask(state.first, position, T, M)),
      scale: o.scale,
    });
    return [merge(heads, params), { ...cache, position: next, first }];
  };

  return defineMixer({
    spec: { kind: 'seq/attention', dModel: C, options: specOptions(o) },
    honours: ['lengths', 'resets'],
    init(key: Key, place: TensorOptions = {}): AttentionParams {
      const [first, second] = split(key);
      const matrix = o.initStd === undefined ? undefined : normalInit(o.initStd);
      return {
        qkv: linearInit(first, C, (H + 2 * G) * D, {
          bias: o.bias,
          init: matrix ?? xavierUniform,
          biasInit: zerosInit,
          ...place,
        }),
        out: linearInit(second, H * D, C, {
          bias: o.outBias,
          init: matrix ?? uniformFan,
          biasInit: zerosInit,
          ...place,
        }),
      };
    },
    initState(B, { device, dtype, maxLength = o.maxLength } = {}) {
      if (!Number.isInteger(maxLength) || maxLength < 0)
        throw new OptionError(
          `attention.initState: maxLength must be a whole number, got ${maxLength}. Give the most positions the cache must hold.`,
        );
      const slots = (): Tensor => zeros([B, maxLength, G, D], { device, dtype });
      const count = (): Tensor => zeros([B], { device, dtype: 'i32' });
      return { k: slots(), v: slots(), position: count(), first: count() };
    },
    forward(params, x, { resets } = {}) {
      const [q, k, v] = project(x, params);
      const mask = resets && sameDocument(resets);
      return merge(
        attend(turn(q), turn(k), v, { causal: true, scale: o.scale, ...(mask && { mask }) }),
        params,
      );
    },
    prefill: (params, x, state, run) => prefill('attention.prefill', params, x, state, run),
    step(params, x, state) {
      const [y, next] = prefill('attention.step', params, x.expandDims(1), state);
      return [y.squeeze(1), next];
    },
    cost: (at) => attentionCost(o, at),
  });
}

/** [B, T] f32: how many documents have begun, up to each position. */
function documentOf(resets: Tensor): Tensor {
  return cumsum(cast(resets, 'f32'), 1);
}

/** [B, 1, T, T] bool: both positions lie in one document. */
function sameDocument(resets: Tensor): Tensor {
  const document = expandDims(documentOf(resets), 1);
  return eq(expandDims(document, 3), expandDims(document, 2));
}

/** Where documents begin inside a call: the mask [B, 1, T, M] of slots in each query's document, and the `first` that follows. */
function documents(
  first: Tensor,
  position: Tensor,
  resets: Tensor,
  lengths: Tensor | undefined,
  M: number,
): { mask: Tensor; first: Tensor } {
  const [B, T] = resets.shape;
  const o = { dtype: 'i32', device: resets.device } as const;
  const times = arange(0, T, 1, o);
  const counted = lengths ? and(resets, lt(times, expandDims(lengths, 1))) : resets;
  const document = documentOf(counted); // [B, T]; slots of earlier calls belong to document 0
  const ofSlot = updateAt(zeros([B, M], { dtype: 'f32', device: resets.device }), document, position, 1);
  const lastReset = max(where(counted, times, -1), 1); // [B]
  return {
    mask: eq(ofSlot.reshape([B, 1, 1, M]), document.reshape([B, 1, T, 1])),
    first: where(ge(lastReset, 0), add(position, lastReset), first),
  };
}
