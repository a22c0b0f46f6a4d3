import { defineMixer } from '@seq/nn';
import type { CausalMixer, Cost, CostAt, MixerSpec, RunOptions } from '@seq/nn';
import { OptionError } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { causalConv, causalConvState, convolve } from './causal-conv.js';
import type { CausalConvParams } from './causal-conv.js';
import { receptiveField } from './receptive-field.js';

/** Geometry of one causal convolution of a mixer. */
export interface ConvShape {
  /** I, channels of its input */
  readonly channels: number;
  readonly convWidth: number;
  readonly dilation: number;
  readonly groups?: number;
}

/** State of a mixer whose only memory is that of its convolutions. */
export type WindowState = {
  /** [B, (W − 1)δ, I]  last inputs of each convolution, oldest first */
  inputs: Tensor[];
};

/** Runs the next convolution: [B, T, I] → [B, T, O]. */
export type NextConv = (h: Tensor, params: CausalConvParams) => Tensor;

/** A mixer made of causal convolutions, and of what acts on single positions. */
export interface WindowDefinition<P> {
  readonly spec: MixerSpec;
  /** The convolutions in the order in which `run` asks for them, each reading what the one before wrote. */
  readonly convs: readonly ConvShape[];
  init(key: Key, o?: TensorOptions): P;
  /** [B, T, C] → [B, T, C], calling `conv` once for each of `convs`. */
  run(params: P, x: Tensor, conv: NextConv, key?: Key): Tensor;
  cost(at: CostAt): Omit<Cost, 'stateFloats'>;
}

/** All forms of a mixer from one description: the forms differ in where a convolution finds its past. */
export function defineWindowMixer<P>({
  spec,
  convs,
  init,
  run,
  cost,
}: WindowDefinition<P>): CausalMixer<P, WindowState> {
  const withState = (
    params: P,
    x: Tensor,
    { inputs }: WindowState,
    { lengths, resets, key }: RunOptions = {},
  ): [Tensor, WindowState] => {
    const kept: Tensor[] = [];
    const conv: NextConv = (h, layer) => {
      const { dilation, groups = 1 } = convs[kept.length];
      const [y, next] = causalConv(h, layer, {
        dilation,
        groups,
        state: inputs[kept.length],
        ...(lengths && { lengths }),
        ...(resets && { resets }),
      });
      kept.push(next);
      return y;
    };
    return [run(params, x, conv, key), { inputs: kept }];
  };

  return defineMixer<P, WindowState>({
    spec,
    reach: receptiveField(convs),
    honours: ['lengths', 'resets'],
    init,
    initState: (B, o) => ({ inputs: convs.map((conv) => causalConvState(B, conv.channels, conv, o)) }),
    forward(params, x, { resets, key } = {}) {
      let l = 0;
      const conv: NextConv = (h, layer) => {
        const { dilation, groups = 1 } = convs[l++];
        return convolve(h, layer, { dilation, groups, ...(resets && { resets }) });
      };
      return run(params, x, conv, key);
    },
    prefill: withState,
    step(params, x, state, o) {
      const [y, next] = withState(params, x.expandDims(1), state, o?.key ? { key: o.key } : {});
      return [y.squeeze(1), next];
    },
    cost: (at) => ({
      ...cost(at),
      stateFloats:
        at.B *
        convs.reduce(
          (sum, { channels, convWidth, dilation }) => sum + channels * (convWidth - 1) * dilation,
          0,
        ),
    }),
  });
}

/** Refuses dilations that are no list with an entry per layer. */
export function checkDilations(where: string, dilations: readonly number[]): void {
  if (Array.isArray(dilations) && dilations.length > 0) return;
  throw new OptionError(
    `${where}: dilations must be a list with one entry per layer, got ${JSON.stringify(dilations)}.`,
  );
}

/** Refuses sizes that are no positive integers. */
export function checkSizes(where: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(sizes)) {
    if (!Number.isInteger(n) || n < 1) {
      throw new OptionError(`${where}: ${name} must be a positive integer, got ${n}.`);
    }
  }
}
