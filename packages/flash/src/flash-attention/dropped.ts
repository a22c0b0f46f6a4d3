// The mask of dropout: bits of a counter-based generator, made again wherever they are needed.
import { threefryBlocks } from '@seq/tensor';
import type { CpuView } from '@seq/tensor';
import type { Sizes } from './call.js';

/**
 * Factors of the weights of one query: 0 where dropped, 1 / (1 − rate) where kept.
 *
 * Weight (b, h, i, j) is element n of [B, H, T, S] in row-major order and is kept when the n-th number of
 * `bernoulli(key, 1 − rate, [B, H, T, S])` is.
 *
 * @returns a function that fills `factors` for the keys [from, to)
 */
export function dropping(
  key: CpuView,
  rate: number,
  { T, S, H }: Sizes,
): (b: number, h: number, i: number, from: number, to: number, factors: Float64Array) => void {
  const [k0, k1] = [0, 1].map((n) => key.data[key.offset + n * key.strides[0]]);
  let words = new Uint32Array(0);
  const keep = Math.fround(1 - rate);
  return (b, h, i, from, to, factors) => {
    const first = ((b * H + h) * T + i) * S + from;
    const block = Math.floor(first / 2);
    const blocks = Math.ceil((first + to - from) / 2) - block;
    if (blocks <= 0) return;
    if (words.length < 2 * blocks) words = new Uint32Array(2 * blocks);
    threefryBlocks(k0, k1, block, 0, blocks, words);
    for (let n = 0; n < to - from; n++)
      factors[n] = (words[first - 2 * block + n] >>> 8) * 2 ** -24 < keep ? 1 / (1 - rate) : 0;
  };
}
