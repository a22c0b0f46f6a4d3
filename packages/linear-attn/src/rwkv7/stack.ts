import { add, OptionError, split, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { defineMixer, layerNorm, layerNormInit } from '@seq/nn';
import type { CausalMixer, LayerNormParams, RunOptions } from '@seq/nn';
import { rwkv7ChannelMix } from './channel-mix.js';
import type { Rwkv7ChannelMixParams, Rwkv7ChannelMixState } from './channel-mix.js';
import { initChannelMix, initTimeMix } from './init.js';
import { rwkv7Sizes, timeMixCost } from './sizes.js';
import type { Rwkv7SizeOptions } from './sizes.js';
import { rwkv7TimeMix } from './time-mix.js';
import type { Rwkv7TimeMixParams, Rwkv7TimeMixState } from './time-mix.js';

/** Options of `rwkv7Stack`. */
export interface Rwkv7StackOptions extends Rwkv7SizeOptions {
  /** Layers, each a time mix and a channel mix. Default 2. */
  readonly numLayers?: number;
  /** F, width of the channel mixes. Default 4C. */
  readonly hiddenDim?: number;
}

/** One layer. */
export interface Rwkv7Block<T, F> {
  readonly time: T;
  readonly channel: F;
}

/** Parameters of a layer. */
export interface Rwkv7BlockParams extends Rwkv7Block<Rwkv7TimeMixParams, Rwkv7ChannelMixParams> {
  /** weight, bias [C] in front of the time mix [ln1] */
  readonly timeNorm: LayerNormParams;
  /** weight, bias [C] in front of the channel mix [ln2] */
  readonly channelNorm: LayerNormParams;
}

/** Parameters of `rwkv7Stack`. */
export interface Rwkv7StackParams {
  readonly layers: readonly Rwkv7BlockParams[];
}

/** State of `rwkv7Stack`. */
export interface Rwkv7StackState {
  readonly layers: readonly Rwkv7Block<Rwkv7TimeMixState, Rwkv7ChannelMixState>[];
}

/**
 * The layers of an RWKV-7 network as one mixer, since those above the first see its values:
 *
 *   x ← x + timeMix(norm(x), values of the first layer)    x ← x + channelMix(norm(x))    for each layer
 *
 * A language model around it normalises the embedding and what comes out, and has neither a residual nor a
 * feed-forward layer of its own: `languageModel({ …, mixers: [rwkv7Stack(…)], norm: 'layer', residual: false,
 * feedForward: false })`.
 *
 * @throws OptionError  sizes that are no positive integers, a headDim that does not divide dModel
 * @see Peng et al. 2025, arXiv:2503.14456, section 4 and figure 3
 */
export function rwkv7Stack({
  numLayers = 2,
  hiddenDim,
  ...o
}: Rwkv7StackOptions): CausalMixer<Rwkv7StackParams, Rwkv7StackState> {
  const sizes = rwkv7Sizes('rwkv7Stack', o);
  const { C, H, headDim, ranks, chunkSize } = sizes;
  const F = hiddenDim ?? 4 * C;
  for (const [name, n] of Object.entries({ numLayers, hiddenDim: F }))
    if (!Number.isInteger(n) || n < 1)
      throw new OptionError(`rwkv7Stack: ${name} must be a positive integer, got ${n}.`);

  const run = (
    { layers }: Rwkv7StackParams,
    x: Tensor,
    past: Rwkv7StackState | undefined,
    masks: RunOptions = {},
  ): [Tensor, Rwkv7StackState] => {
    let h = x;
    let firstValues: Tensor | undefined;
    const states = layers.map((layer, l) => {
      const before = past?.layers[l];
      const time = rwkv7TimeMix(layer.time, layerNorm(h, layer.timeNorm), {
        numHeads: H,
        chunkSize,
        ...(before && { state: before.time }),
        ...(firstValues && { firstValues }),
        ...masks,
      });
      firstValues ??= time.values;
      h = add(h, time.y);
      const channel = rwkv7ChannelMix(layer.channel, layerNorm(h, layer.channelNorm), {
        ...(before && { state: before.channel }),
        ...masks,
      });
      h = add(h, channel.y);
      return { time: time.state, channel: channel.state };
    });
    return [h, { layers: states }];
  };

  return defineMixer<Rwkv7StackParams, Rwkv7StackState>({
    spec: {
      kind: 'seq/rwkv7-stack',
      dModel: C,
      options: { numLayers, hiddenDim: F, headDim, ranks, chunkSize },
    },
    honours: ['lengths', 'resets'],
    init: (key, place = {}) => ({
      layers: split(key, numLayers).map((own, layer) => {
        const [first, second] = split(own);
        const at = { C, headDim, layer, layers: numLayers, ranks };
        return {
          timeNorm: layerNormInit(C, place),
          time: initTimeMix(first, at, place),
          channelNorm: layerNormInit(C, place),
          channel: initChannelMix(second, at, F, place),
        };
      }),
    }),
    initState: (B, place) => ({
      layers: Array.from({ length: numLayers }, () => ({
        time: { before: zeros([B, 1, C], place), S: zeros([B, H, headDim, headDim], place) },
        channel: { before: zeros([B, 1, C], place) },
      })),
    }),
    forward: (params, x, masks) => run(params, x, undefined, masks)[0],
    prefill: run,
    step(params, x, state) {
      const [y, next] = run(params, x.expandDims(1), state);
      return [y.squeeze(1), next];
    },
    cost(at) {
      const positions = at.B * at.T;
      const mixes = Array.from({ length: numLayers }, (_, l) => timeMixCost(sizes, at, l === 0));
      const total = (of: (mix: (typeof mixes)[number]) => number): number =>
        mixes.reduce((sum, mix) => sum + of(mix), 0);
      const channel = 2 * C * F;
      return {
        params: total((mix) => mix.params) + numLayers * (channel + 5 * C),
        matmulFlops: total((mix) => mix.matmulFlops) + numLayers * positions * 2 * channel,
        flops: total((mix) => mix.flops) + numLayers * positions * (2 * channel + 2 * F + 19 * C),
        stateFloats: at.B * numLayers * (2 * C + H * headDim * headDim),
      };
    },
  });
}
