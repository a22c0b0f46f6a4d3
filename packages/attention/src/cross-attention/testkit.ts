import { scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { RunOptions } from '@seq/nn';
import { hostRandom, toTensor } from '@seq/testing';
import { crossAttention } from './index.js';
import type { CrossAttentionMixer, CrossAttentionOptions } from './index.js';

/** Length of the context. */
export const S = 5;

/** The mixer before one fixed context in every row: the laws know of none. */
export function beforeContext(options: CrossAttentionOptions): CrossAttentionMixer {
  const mixer = crossAttention(options);
  const { contextDim: E = options.dModel } = options;
  const rows = hostRandom(77).normal([1, S, E]);
  const given = (x: Tensor, o: RunOptions = {}): RunOptions => {
    const context = toTensor(rows, { device: x.device, dtype: x.dtype });
    return { ...o, context: context.broadcastTo([x.shape[0], S, E]) };
  };
  return {
    ...mixer,
    forward: (p, x, o) => scope(() => mixer.forward(p, x, given(x, o))),
    prefill: (p, x, s, o) => scope(() => mixer.prefill(p, x, s, given(x, o))),
    step: (p, x, s, o) => scope(() => mixer.step(p, x, s, given(x, o))),
    cost: (at) => mixer.cost({ ...at, S }),
  };
}
