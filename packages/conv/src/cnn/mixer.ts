import { activate, activationFlops, checkActivation, defineMixer, uniformFan } from '@seq/nn';
import type { Activation, CausalMixer, RunOptions } from '@seq/nn';
import { OptionError, split } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { causalConv, causalConvState, convolve } from './op.js';
import type { CausalConvParams } from './op.js';
import { receptiveField } from './receptive-field.js';

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

/** State of `cnn`. */
export type CnnState = {
  /** [B, (W − 1)δ, C]  last inputs of each layer, oldest first */
  inputs: Tensor[];
};

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
  if (!Array.isArray(dilations) || dilations.length === 0) {
    throw new OptionError(
      `cnn: dilations must be a list with one entry per layer, got ${JSON.stringify(dilations)}.`,
    );
  }
  if (!Number.isInteger(groups) || groups < 1 || C % groups !== 0) {
    throw new OptionError(`cnn: groups must divide dModel = ${C}, got ${groups}.`);
  }
  const reach = receptiveField(dilations.map((dilation) => ({ convWidth: W, dilation })));

  /** All layers; `conv` answers layer l for its input and keeps its state. */
  const stack = (
    { layers }: CnnParams,
    x: Tensor,
    conv: (h: Tensor, layer: CausalConvParams, l: number) => Tensor,
  ): Tensor =>
    layers.reduce((h, layer, l) => {
      const out = activate(conv(h, layer, l), activation);
      return residual ? h.add(out) : out;
    }, x);

  const run = (params: CnnParams, x: Tensor, state: CnnState, o: RunOptions = {}): [Tensor, CnnState] => {
    const inputs: Tensor[] = [];
    const y = stack(params, x, (h, layer, l) => {
      const [out, next] = causalConv(h, layer, {
        dilation: dilations[l],
        groups,
        state: state.inputs[l],
        ...(o.lengths && { lengths: o.lengths }),
        ...(o.resets && { resets: o.resets }),
      });
      inputs.push(next);
      return out;
    });
    return [y, { inputs }];
  };

  return defineMixer<CnnParams, CnnState>({
    spec: {
      kind: 'seq/cnn',
      dModel: C,
      options: { convWidth: W, dilations: [...dilations], activation, residual, groups, bias },
    },
    reach,
    honours: ['lengths', 'resets'],
    init(key, o) {
      const fanIn = (W * C) / groups;
      const layers = split(key, dilations.length).map((own) => {
        const [first, second] = split(own);
        const weight = uniformFan(first, [W, C / groups, C], { ...o, fanIn });
        return bias ? { weight, bias: uniformFan(second, [C], { ...o, fanIn }) } : { weight };
      });
      return { layers };
    },
    initState: (B, o) => ({
      inputs: dilations.map((dilation) => causalConvState(B, C, { convWidth: W, dilation }, o)),
    }),
    forward: (params, x, { resets } = {}) =>
      stack(params, x, (h, layer, l) =>
        convolve(h, layer, { dilation: dilations[l], groups, ...(resets && { resets }) }),
      ),
    prefill: run,
    step(params, x, state) {
      const [y, next] = run(params, x.expandDims(1), state);
      return [y.squeeze(1), next];
    },
    cost({ B, T }) {
      const L = dilations.length;
      const outputs = B * T * C * L;
      const matmulFlops = (2 * outputs * W * C) / groups;
      const extra = (bias ? 1 : 0) + activationFlops(activation) + (residual ? 1 : 0);
      const span = dilations.reduce((sum, dilation) => sum + (W - 1) * dilation, 0);
      return {
        params: L * ((W * C * C) / groups + (bias ? C : 0)),
        matmulFlops,
        flops: matmulFlops + outputs * extra,
        stateFloats: B * span * C,
      };
    },
  });
}
