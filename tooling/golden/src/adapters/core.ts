// The ways through which attention of a case is computed.
import { attend, attendWithLse } from '@seq/attention';
import type { AttendOptions, AttentionCore } from '@seq/attention';
import { flashAttention, flashAttentionWithLse } from '@seq/flash';
import type { Tensor } from '@seq/tensor';

/** Softmax attention, with and without its log-sum-exp, and as the mixer takes it. */
export interface Core {
  attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions): Tensor;
  attendWithLse(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions): [o: Tensor, lse: Tensor];
  /** Option `core` of the mixer; absent: its own. */
  readonly mixer?: AttentionCore;
}

export const composed: Core = { attend, attendWithLse };
export const flash: Core = {
  attend: flashAttention,
  attendWithLse: flashAttentionWithLse,
  mixer: flashAttention,
};
