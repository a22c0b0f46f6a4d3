import { OptionError, split, uniform, zeros } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, CostAt, LinearParams, RunOptions } from '@seq/nn';
import type { MaskOptions } from './sequence.js';
import type { HiddenWeights } from './weights.js';

/** Parameters of a mixer around such a layer. */
export interface HiddenParams extends HiddenWeights {
  /** [C, H], with bias [C]; there when H ≠ C. */
  readonly out?: LinearParams;
}

/** Its state. */
export interface HiddenState {
  /** [B, H] */
  readonly h: Tensor;
}

/** What makes a mixer out of a layer whose state is one vector. */
export interface HiddenMixer {
  /** `seq/` and the name of the function. */
  readonly kind: string;
  readonly dModel: number;
  readonly hiddenDim: number;
  readonly bias: boolean;
  /** Options of the mechanism for `spec`, besides hiddenDim and bias. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly gates: number;
  sequence(x: Tensor, weights: HiddenWeights, o: MaskOptions & { readonly h0?: Tensor }): [Tensor, Tensor];
  /** Changes what `init` has drawn. */
  readonly initialize?: (drawn: HiddenParams, o: TensorOptions) => HiddenParams;
  /** Elementwise operations per position of the layer, and once per call. */
  readonly elementwise: { readonly perPosition: number; readonly once: number };
}

/**
 * A mixer around a layer: the layer, and a projection of its output where the widths differ.
 *
 * @throws OptionError  hiddenDim that is not a positive integer
 */
export function hiddenMixer(layer: HiddenMixer): CausalMixer<HiddenParams, HiddenState> {
  const { kind, dModel: C, hiddenDim: H, bias, gates } = layer;
  if (!Number.isInteger(H) || H < 1)
    throw new OptionError(
      `${kind.slice(kind.indexOf('/') + 1)}: hiddenDim must be a positive integer, got ${H}. Leave it out for dModel = ${C}.`,
    );
  const projected = H !== C;

  const run = (
    params: HiddenParams,
    x: Tensor,
    h0: Tensor | undefined,
    { lengths, resets }: RunOptions = {},
  ): [Tensor, HiddenState] => {
    const [y, h] = layer.sequence(x, params, {
      ...(h0 && { h0 }),
      ...(lengths && { lengths }),
      ...(resets && { resets }),
    });
    return [params.out ? linear(y, params.out) : y, { h }];
  };

  return defineMixer({
    spec: { kind, dModel: C, options: { hiddenDim: H, bias, ...layer.options } },
    serial: true,
    honours: ['lengths', 'resets'],
    init(key: Key, o: TensorOptions = {}): HiddenParams {
      const keys = split(key, 5);
      const bound = 1 / Math.sqrt(H);
      const draw = (k: Key, shape: number[]): Tensor => uniform(k, shape, { low: -bound, high: bound, ...o });
      const drawn: HiddenParams = {
        weightIh: draw(keys[0], [gates * H, C]),
        weightHh: draw(keys[1], [gates * H, H]),
        ...(bias && { biasIh: draw(keys[2], [gates * H]), biasHh: draw(keys[3], [gates * H]) }),
        ...(projected && { out: linearInit(keys[4], H, C, { bias, ...o }) }),
      };
      return layer.initialize ? layer.initialize(drawn, o) : drawn;
    },
    initState: (B, o) => ({ h: zeros([B, H], o) }),
    forward: (params, x, o) => run(params, x, undefined, o)[0],
    prefill: (params, x, { h }, o) => run(params, x, h, o),
    step(params, x, { h }) {
      const [y, next] = run(params, x.expandDims(1), h);
      return [y.squeeze(1), next];
    },
    cost({ B, T }: CostAt) {
      const matrices = gates * H * (C + H) + (projected ? H * C : 0);
      const perPosition = layer.elementwise.perPosition + (projected && bias ? C : 0);
      const matmulFlops = 2 * B * T * matrices;
      return {
        params: matrices + (bias ? 2 * gates * H : 0) + (projected && bias ? C : 0),
        matmulFlops,
        flops: matmulFlops + B * T * perPosition + (T > 0 ? layer.elementwise.once : 0),
        stateFloats: B * H,
      };
    },
  });
}
