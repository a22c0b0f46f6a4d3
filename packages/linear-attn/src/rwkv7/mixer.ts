import { zeros } from '@seq/tensor';
import { defineMixer } from '@seq/nn';
import type { CausalMixer } from '@seq/nn';
import { initTimeMix } from './init.js';
import { rwkv7Sizes, timeMixCost } from './sizes.js';
import type { Rwkv7SizeOptions } from './sizes.js';
import { rwkv7TimeMix } from './time-mix.js';
import type { Rwkv7TimeMixParams, Rwkv7TimeMixState } from './time-mix.js';

/** Options of the `rwkv7` mixer. */
export type Rwkv7Options = Rwkv7SizeOptions;

/**
 * The time mix of RWKV-7 as a mixer, as the first layer has it: formulas at `rwkv7TimeMix`. Whole networks, whose
 * layers see the first one's values, are `rwkv7Stack`.
 *
 * @throws OptionError  sizes that are no positive integers, a headDim that does not divide dModel
 * @see Peng et al. 2025, arXiv:2503.14456, section 4
 */
export function rwkv7(options: Rwkv7Options): CausalMixer<Rwkv7TimeMixParams, Rwkv7TimeMixState> {
  const sizes = rwkv7Sizes('rwkv7', options);
  const { C, H, headDim, ranks, chunkSize } = sizes;
  return defineMixer<Rwkv7TimeMixParams, Rwkv7TimeMixState>({
    spec: { kind: 'seq/rwkv7', dModel: C, options: { headDim, ranks, chunkSize } },
    honours: ['lengths', 'resets'],
    init: (key, o = {}) => initTimeMix(key, { C, headDim, layer: 0, layers: 1, ranks }, o),
    initState: (B, o) => ({ before: zeros([B, 1, C], o), S: zeros([B, H, headDim, headDim], o) }),
    forward: (params, x, o) => rwkv7TimeMix(params, x, { numHeads: H, chunkSize, ...o }).y,
    prefill(params, x, state, o) {
      const mixed = rwkv7TimeMix(params, x, { numHeads: H, chunkSize, state, ...o });
      return [mixed.y, mixed.state];
    },
    step(params, x, state) {
      const mixed = rwkv7TimeMix(params, x.expandDims(1), { numHeads: H, chunkSize, state });
      return [mixed.y.squeeze(1), mixed.state];
    },
    cost: (at) => ({
      ...timeMixCost(sizes, at, true),
      stateFloats: at.B * (C + H * headDim * headDim),
    }),
  });
}
