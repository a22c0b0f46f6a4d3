import { OptionError, reshape, split, zeros } from '@seq/tensor';
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
import { reserve } from './cache.js';
import type { AttentionState } from './cache.js';
import { attend } from './op.js';
import { attentionCost, resolveOptions, specOptions } from './options.js';
import type { AttentionOptions } from './options.js';
import { lookBehindRing, lookInCache, lookOnRing, sameDocument } from './past.js';
import type { Scoring } from './past.js';
import { alibiSlopes } from './position.js';

/** Parameters of the `attention` mixer. */
export interface AttentionParams {
  /** weight [(H + 2G) D, C], rows q heads, k heads, v heads; bias [(H + 2G) D] */
  readonly qkv: LinearParams;
  /** weight [C, H D], bias [C] */
  readonly out: LinearParams;
  /** [H], with option `sinks` */
  readonly sinks?: Tensor;
}

/**
 * Causal multi-head softmax attention with grouped key-value heads, rotary positions and a preallocated cache.
 *
 *   q, k, v = W_qkv x + b    o_t = Σ_{j ≤ t} softmax_j(scale · q_t · k_j) v_j per head    y = W_out o + b_out
 *
 * Query head h reads key-value head ⌊h · G / H⌋. The state holds keys (already turned) and values in M slots
 * and the position as data, so that one plan serves every token; M is `maxLength` of `initState`. A call of T
 * positions needs T free slots in every row, padding included. With `windowSize` W the sum begins at t − W + 1, and
 * the state is a ring of W slots that never fills. `alibi`, `softcap` and `sinks` act on scores as in `attend`.
 *
 * With `core` another function computes attention, `flashAttention` of `@seq/flash` say.
 *
 * `init`: W_qkv Xavier-uniform over the fused matrix, W_out U(±1/√(H D)), as PyTorch's MultiheadAttention; or
 * N(0, initStd²) for both. Biases 0.
 *
 * @throws OptionError  numbers of heads that do not fit, sizes that are not positive integers, sinks in the options or the parameters alone
 * @throws IndexError   code `index`, when a cache is full: at once where T > M, else when a result is read; nothing is written then
 * @see Vaswani et al. 2017, arXiv:1706.03762, section 3.2; GQA: Ainslie et al. 2023, arXiv:2305.13245; RoPE: Su et al. 2021, arXiv:2104.09864
 */
export function attention(options: AttentionOptions): CausalMixer<AttentionParams, AttentionState> {
  const o = resolveOptions(options);
  const { C, H, G, D, windowSize: W } = o;
  const turn = (x: Tensor, offset?: Tensor): Tensor =>
    o.rope ? rotate(x, { ...o.rope, ...(offset && { offset }) }) : x;

  const project = (x: Tensor, params: AttentionParams): [q: Tensor, k: Tensor, v: Tensor] => {
    const [B, T] = x.shape;
    const qkv = reshape(linear(x, params.qkv), [B, T, H + 2 * G, D]);
    const heads = (from: number, n: number): Tensor => qkv.slice(2, from, from + n);
    return [heads(0, H), heads(H, G), heads(H + G, G)];
  };
  const merge = (heads: Tensor, params: AttentionParams): Tensor => {
    const [B, T] = heads.shape;
    return linear(reshape(heads, [B, T, H * D]), params.out);
  };

  /** What every score of queries like q is subject to. */
  const scoring = ({ device, dtype }: Tensor, { sinks }: AttentionParams): Scoring => {
    if (o.sinks !== (sinks !== undefined))
      throw new OptionError(
        `attention: sinks: ${o.sinks} must fit the parameters, got ${sinks ? 'some' : 'none'} there. Use parameters of this mixer.`,
      );
    return {
      scale: o.scale,
      ...(o.softcap !== undefined && { softcap: o.softcap }),
      ...(o.alibi && { alibiSlopes: alibiSlopes(H, { device, dtype }) }),
      ...(sinks && { sinks }),
    };
  };
  /** T positions behind a state. */
  const look = (
    at: 'prefill' | 'step',
    params: AttentionParams,
    x: Tensor,
    state: AttentionState,
    run: RunOptions = {},
  ): [Tensor, AttentionState] => {
    const T = x.shape[1];
    if (T === 0) return [x, state];
    const position = W === undefined ? reserve(`attention.${at}`, state, T) : state.position;
    const [q, k, v] = project(x, params);
    const turned = { q: turn(q, position), k: turn(k, position), v };
    const score = { ...scoring(q, params), ...(o.core && { core: o.core }) };
    const [heads, next] =
      W === undefined
        ? lookInCache(turned, state, position, score, run)
        : at === 'step'
          ? lookOnRing(turned, state, score)
          : lookBehindRing(turned, state, score, run);
    return [merge(heads, params), next];
  };

  return defineMixer({
    spec: { kind: 'seq/attention', dModel: C, options: specOptions(o) },
    honours: ['lengths', 'resets'],
    ...(W !== undefined && { reach: W }),
    ...(o.sinks && { noDecay: ['sinks'] }),
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
        ...(o.sinks && { sinks: zeros([H], place) }),
      };
    },
    initState(B, { device, dtype, maxLength = o.maxLength } = {}) {
      if (!Number.isInteger(maxLength) || maxLength < 0)
        throw new OptionError(
          `attention.initState: maxLength must be a whole number, got ${maxLength}. Give the most positions the cache must hold.`,
        );
      const slots = (): Tensor => zeros([B, W ?? maxLength, G, D], { device, dtype });
      const count = (): Tensor => zeros([B], { device, dtype: 'i32' });
      return { k: slots(), v: slots(), position: count(), first: count() };
    },
    forward(params, x, { resets } = {}) {
      const [q, k, v] = project(x, params);
      const mask = resets && sameDocument(resets);
      return merge(
        (o.core ?? attend)(turn(q), turn(k), v, {
          causal: true,
          ...scoring(q, params),
          ...(W !== undefined && { windowSize: W }),
          ...(mask && { mask }),
        }),
        params,
      );
    },
    prefill: (params, x, state, run) => look('prefill', params, x, state, run),
    step(params, x, state) {
      const [y, next] = look('step', params, x.expandDims(1), state);
      return [y.squeeze(1), next];
    },
    cost: (at) => attentionCost(o, at),
  });
}
