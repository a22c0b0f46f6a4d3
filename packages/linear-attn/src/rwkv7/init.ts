import { mul, split, tensor, zeros } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { linearInit, orthogonal, zerosInit } from '@seq/nn';
import type { Rwkv7ChannelMixParams } from './channel-mix.js';
import type { LowRankParams, Rwkv7TimeMixParams } from './time-mix.js';

/** Widths between the two matrices of the maps of low rank. */
export interface Rwkv7Ranks {
  readonly decay: number;
  readonly erase: number;
  readonly gate: number;
  /** of the first layer's values, from the second layer on */
  readonly first: number;
}

/** Ranks of a model of width C, in multiples of 32. */
export function rwkv7Ranks(C: number): Rwkv7Ranks {
  const near = (factor: number): number => Math.max(32, 32 * Math.round((factor * Math.sqrt(C)) / 32));
  return { decay: near(2.5), erase: near(2.5), gate: near(5), first: near(1.7) };
}

/** Where a layer stands, and its sizes. */
export interface Rwkv7Layer {
  readonly C: number;
  /** N, channels of a head */
  readonly headDim: number;
  /** from 0 */
  readonly layer: number;
  readonly layers: number;
  readonly ranks: Rwkv7Ranks;
}

/** The initial values of the authors: fast and slow channels side by side, nothing written to the residual stream yet. */
export function initTimeMix(key: Key, at: Rwkv7Layer, o: TensorOptions): Rwkv7TimeMixParams {
  const { C, headDim: N, layer, layers, ranks } = at;
  const keys = split(key, 7);
  const low = layers > 1 ? layer / (layers - 1) : 0; // 0 … 1 from the bottom to the top
  const high = 1 - layer / layers; // 1 … towards 0
  const vector = (f: (n: number) => number): Tensor =>
    tensor(
      Array.from({ length: C }, (_, n) => f(n)),
      { ...o, dtype: o.dtype ?? 'f32' },
    );
  const place = (n: number): number => (C > 1 ? n / (C - 1) : 0);
  const linear = (n: number): number => place(n) - 0.5;
  const zigzag = (n: number): number => {
    const z = N > 1 ? (2 * (n % N)) / (N - 1) - 1 : 0;
    return z * Math.abs(z);
  };
  const look = (power: number): Tensor => vector((n) => 1 - (n / C) ** (power * high));
  const square = (k: Key, gain: number) => ({ weight: orthogonal(k, [C, C], { gain, ...o }) });
  const lowRank = (k: Key, rank: number, bias?: (n: number) => number): LowRankParams => ({
    down: linearInit(k, C, rank, { bias: false, init: zerosInit, ...o }),
    up: {
      weight: orthogonal(k, [C, rank], { gain: 0.1, ...o }),
      ...(bias && { bias: vector(bias) }),
    },
  });
  return {
    shift: { r: look(0.2), w: look(0.9), k: look(0.7), v: look(0.7), a: look(0.9), g: look(0.2) },
    r: square(keys[0], 1),
    k: square(keys[1], 0.1),
    v: square(keys[2], 1),
    decay: lowRank(
      keys[3],
      ranks.decay,
      (n) => -6 + 6 * place(n) ** (1 + low ** 0.3) + 0.5 + 2.5 * zigzag(n),
    ),
    erase: lowRank(keys[4], ranks.erase, (n) => -0.19 + 0.3 * zigzag(n) + 0.4 * linear(n)),
    gate: lowRank(keys[5], ranks.gate),
    ...(layer > 0 && { first: lowRank(keys[6], ranks.first, (n) => 0.73 - 0.4 * linear(n)) }),
    erasedKey: vector((n) => 0.71 - 0.1 * linear(n)),
    scaledKey: vector(() => 1.02),
    bonus: vector(() => -0.04),
    norm: { weight: vector(() => ((1 + layer) / layers) ** 0.7), bias: zeros([C], o) },
    out: linearInit(keys[0], C, C, { bias: false, init: zerosInit, ...o }),
  };
}

/** The initial values of a channel mix of width F. */
export function initChannelMix(
  key: Key,
  { C, layer, layers }: Rwkv7Layer,
  F: number,
  o: TensorOptions,
): Rwkv7ChannelMixParams {
  const power = (1 - layer / layers) ** 4;
  const shift = Array.from({ length: C }, (_, n) => 1 - (n / C) ** power);
  return {
    shift: mul(tensor(shift, { ...o, dtype: o.dtype ?? 'f32' }), 1),
    key: { weight: orthogonal(key, [F, C], { gain: 1, ...o }) },
    value: linearInit(key, F, C, { bias: false, init: zerosInit, ...o }),
  };
}
