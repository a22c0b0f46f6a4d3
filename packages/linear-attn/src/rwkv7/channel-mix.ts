import { add, mul, relu, scope, square, sub, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { linear } from '@seq/nn';
import type { LinearParams, RunOptions } from '@seq/nn';
import { lookBack } from '../internal/look-back.js';

/** Parameters of `rwkv7ChannelMix`. */
export interface Rwkv7ChannelMixParams {
  /** [C] how far k looks at the position before [x_k] */
  readonly shift: Tensor;
  /** weight [F, C] */
  readonly key: LinearParams;
  /** weight [C, F] */
  readonly value: LinearParams;
}

/** State of `rwkv7ChannelMix`. */
export interface Rwkv7ChannelMixState {
  /** [B, 1, C] the input of the position before */
  readonly before: Tensor;
}

/**
 * The channel mix of RWKV-7: a feed-forward layer that sees the position before. With x' the input before:
 *
 *   y = W_v relu(W_k (x + m ∘ (x' − x)))²
 *
 * @param params   shift m [C], key [F, C], value [C, F]
 * @param x        [B, T, C]
 * @param options  state (zero if absent), lengths [B], resets [B, T]
 * @returns        y [B, T, C] and the state after the last position
 * @throws ShapeError  tensors that do not fit together
 * @see Peng et al. 2025, arXiv:2503.14456, eq. 21–22
 */
export function rwkv7ChannelMix(
  params: Rwkv7ChannelMixParams,
  x: Tensor,
  {
    state,
    lengths,
    resets,
  }: { readonly state?: Rwkv7ChannelMixState } & Pick<RunOptions, 'lengths' | 'resets'> = {},
): { y: Tensor; state: Rwkv7ChannelMixState } {
  const [B, , C] = x.shape;
  return scope(() => {
    const before = state?.before ?? zeros([B, 1, C], { dtype: x.dtype, device: x.device });
    const window = lookBack(x, before, { ...(lengths && { lengths }), ...(resets && { resets }) });
    const mixed = add(x, mul(sub(window.ago(1), x), params.shift));
    const y = linear(square(relu(linear(mixed, params.key))), params.value);
    return { y, state: { before: window.next } };
  });
}
