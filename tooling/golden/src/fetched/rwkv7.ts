import { rwkv7Stack } from '@seq/linear-attn';
import type { LowRankParams, Rwkv7BlockParams, Rwkv7StackParams } from '@seq/linear-attn';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { layerFromTorch } from '@seq/nn';
import { at, reshape } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Fetched } from './data.js';

/** Sizes of an RWKV-7, by the names of its configuration. */
export interface Rwkv7Config {
  readonly n_vocab: number;
  readonly n_embed: number;
  readonly n_layer: number;
  readonly heads: number;
}

/**
 * An RWKV-7: the stack of its layers between the norm of the embedding (kept in block 0 as `ln0`) and that before the head.
 *
 * @param named  tensors by the names of rwkv.cpp: `emb`, `blocks.l.att.receptance`, …, `ln_out`, `head`; all matrices
 *               [out, in], those of low rank as well
 * @throws FormatError  a missing layer
 */
export function rwkv7Model(
  named: ReturnType<Fetched['tensors']>,
  { n_vocab: vocabSize, n_embed: dModel, n_layer: numLayers, heads }: Rwkv7Config,
): { lm: LanguageModel; params: LanguageModelParams } {
  const norm = (name: string): { weight: Tensor; bias: Tensor } => ({
    weight: named.need(`${name}.weight`),
    bias: named.need(`${name}.bias`),
  });
  const vector = (name: string): Tensor => reshape(named.need(name), [dModel]);
  const block = (l: number): Rwkv7BlockParams => {
    const [att, ffn] = [`blocks.${l}.att`, `blocks.${l}.ffn`];
    const shifts = named.need(`${att}.x_rwkvag`); // [6, 1, C]
    const shift = (i: number): Tensor => reshape(at(shifts, i), [dModel]);
    const lowRank = (letter: string, biased: boolean): LowRankParams => ({
      down: { weight: named.need(`${att}.${letter}1`) },
      up: {
        weight: named.need(`${att}.${letter}2`),
        ...(biased && { bias: vector(`${att}.${letter}0`) }),
      },
    });
    return {
      timeNorm: norm(`blocks.${l}.ln1`),
      time: {
        shift: { r: shift(0), w: shift(1), k: shift(2), v: shift(3), a: shift(4), g: shift(5) },
        r: layerFromTorch(named, `${att}.receptance`),
        k: layerFromTorch(named, `${att}.key`),
        v: layerFromTorch(named, `${att}.value`),
        decay: lowRank('w', true),
        erase: lowRank('a', true),
        gate: lowRank('g', false),
        ...(l > 0 && { first: lowRank('v', true) }),
        erasedKey: vector(`${att}.k_k`),
        scaledKey: vector(`${att}.k_a`),
        bonus: vector(`${att}.r_k`),
        norm: norm(`${att}.ln_x`),
        out: layerFromTorch(named, `${att}.output`),
      },
      channelNorm: norm(`blocks.${l}.ln2`),
      channel: {
        shift: vector(`${ffn}.x_k`),
        key: layerFromTorch(named, `${ffn}.key`),
        value: layerFromTorch(named, `${ffn}.value`),
      },
    };
  };
  const mixer: Rwkv7StackParams = { layers: Array.from({ length: numLayers }, (_, l) => block(l)) };
  const ranks = mixer.layers[numLayers - 1].time;
  const rank = (map: LowRankParams | undefined): number => map?.down.weight.shape[0] ?? 1;
  const lm = languageModel({
    vocabSize,
    dModel,
    mixers: [
      rwkv7Stack({
        dModel,
        numLayers,
        headDim: dModel / heads,
        hiddenDim: mixer.layers[0].channel.key.weight.shape[0],
        ranks: {
          decay: rank(ranks.decay),
          erase: rank(ranks.erase),
          gate: rank(ranks.gate),
          first: rank(ranks.first),
        },
      }),
    ],
    norm: 'layer',
    residual: false,
    feedForward: false,
  });
  return {
    lm,
    params: {
      embedding: layerFromTorch(named, 'emb'),
      blocks: [{ norm: norm('blocks.0.ln0'), mixer }],
      norm: norm('ln_out'),
      head: layerFromTorch(named, 'head'),
    },
  };
}
