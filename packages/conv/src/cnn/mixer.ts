import { activate, activationFlops, checkActivation, uniformFan } from '@seq/nn';
import type { Activation, CausalMixer } from '@seq/nn';
import { OptionError, split } from '@seq/tensor';
import type { CausalConvParams } from '../internal/causal-conv.js';
import { checkDilations, defineWindowMixer } from '../internal/window-mixer.js';
import type { WindowState } from '../internal/window-mixer.js';

/** Options of `cnn`. */
export interface CnnOptions {
  readonly dModel: number;
  /** W, taps per layer */
  readonly convWidth?: number;
  /** δ of each layer; as many layers as there are entries. */
  readonly dilations?: readonly number[];
  readonly activation?: Activation;
  /** Adds each layer's input to its output. */
  readonly residual?: boolean;
  /** Channels see their own group only. */
  readonly groups?: number;
  readonly bias?: boolean;
}

/** Parameters of `cnn`. */
export type CnnParams = {
  /** weight [W, C/groups, C], bias [C] */
  layers: CausalConvParams[];
};

/** State of `cnn`: `inputs`, [B, (W − 1)δ, C] for each layer. */
export type CnnState = WindowState;

/**
 * A stack of dilated causal convolutions: each output sees a window that grows exponentially with depth.
 *
 *   h⁰ = x,   hˡ_t = hˡ⁻¹_t + f(b_l + Σ_{j<W} w_{l, W−1−j} hˡ⁻¹_{t−jδ_l}),   y = hᴸ
 *
 * Without `residual` the first summand is absent. `reach` is 1 + Σ (W − 1)δ.
 *
 * @throws OptionError  sizes that are no positive integers, groups that do not divide dModel, an unknown activation
 * @see van den Oord et al. 2016, arXiv:1609.03499, section 2.1; Bai, Kolter and Koltun 2018, arXiv:1803.01271, section 3.2
 */
export function cnn({
  dModel: C,
  convWidth: W = 2,
  dilations = [1, 2, 4, 8],
  activation = 'silu',
  residual = true,
  groups = 1,
  bias = true,
}: CnnOptions): CausalMixer<CnnParams, CnnState> {
  checkActivation('cnn', activation);
  checkDilations('cnn', dilations);
  if (!Number.isInteger(groups) || groups < 1 || C % groups !== 0) {
    throw new OptionError(`cnn: groups must divide dModel = ${C}, got ${groups}.`);
  }
  return defineWindowMixer<CnnParams>({
    spec: {
      kind: 'seq/cnn',
      dModel: C,
      options: { convWidth: W, dilations: [...dilations], activation, residual, groups, bias },
    },
    convs: dilations.map((dilation) => ({ channels: C, convWidth: W, dilation, groups })),
    init(key, o) {
      const fanIn = (W * C) / groups;
      const layers = split(key, dilations.length).map((own) => {
        const [first, second] = split(own);
        const weight = uniformFan(first, [W, C / groups, C], { ...o, fanIn });
        return bias ? { weight, bias: uniformFan(second, [C], { ...o, fanIn }) } : { weight };
      });
      return { layers };
    },
    run: ({ layers }, x, conv) =>
      layers.reduce((h, layer) => {
        const out = activate(conv(h, layer), activation);
        return residual ? h.add(out) : out;
      }, x),
    cost({ B, T }) {
      const L = dilations.length;
      const outputs = B * T * C * L;
      const matmulFlops = (2 * outputs * W * C) / groups;
      const extra = (bias ? 1 : 0) + activationFlops(activation) + (residual ? 1 : 0);
      return {
        params: L * ((W * C * C) / groups + (bias ? C : 0)),
        matmulFlops,
        flops: matmulFlops + outputs * extra,
      };
    },
  });
}
