import type { Tensor } from '../tensor.js';
import { threefryBlocks } from '../cpu/threefry.js';
import { apply1 } from '../engine/apply.js';
import type { Aval } from '../engine/dtype.js';
import { DTypeError, OptionError, show } from '../engine/errors.js';
import type { CpuView, Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';

/**
 * Source of random numbers: a u32 tensor [2]. The same key gives the same numbers on every device; a key is
 * used once, and `split` or `foldIn` make new ones. A key is data, so one plan serves all keys.
 */
export type Key = Tensor;

/**
 * Threefry-2x32 with 20 rounds: a bijection of the counter (c0, c1) chosen by the key (k0, k1).
 *
 * @see Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"
 */
export function threefry2x32(k0: number, k1: number, c0: number, c1: number, out: Uint32Array): void {
  threefryBlocks(k0, k1, c0, c1, 1, out);
}

/** Second counter words of the uses of a key, so that they never meet. */
export const domain: { readonly numbers: number; readonly split: number; readonly fold: number } = {
  numbers: 0,
  split: 1,
  fold: 2,
};

/** Words made at a time. */
const CHUNK = 2048;

/** Calls `visit(words, first, count)` with random words first … first + count − 1 of n. */
export function eachChunk(
  key: CpuView,
  n: number,
  use: number,
  visit: (words: Uint32Array, first: number, count: number) => void,
): void {
  const [k0, k1] = [key.data[key.offset], key.data[key.offset + 1]];
  const words = new Uint32Array(Math.min(CHUNK, n + (n & 1)));
  for (let first = 0; first < n; first += CHUNK) {
    const count = Math.min(CHUNK, n - first);
    threefryBlocks(k0, k1, first / 2, use, Math.ceil(count / 2), words);
    visit(words, first, count);
  }
}

/** Refuses what is no key. */
export function checkKey(where: string, key: Aval): void {
  if (key.dtype !== 'u32' || key.shape.length !== 1 || key.shape[0] !== 2) {
    throw new DTypeError(
      `${where}: the key must be a u32 tensor [2], got ${key.dtype} ${show(key.shape)}. Make one with key(seed).`,
    );
  }
}

const free = (): { flops: number } => ({ flops: 0 });

/** Keys [n, 2] made from one. */
export const splitKeyOp: Op<{ readonly n: number }> = /* @__PURE__ */ defineOp({
  name: 'split',
  infer([key], { n }) {
    checkKey('split', key);
    return { shape: [n, 2], dtype: 'u32' };
  },
  cpu({ inputs, outputs, attrs: { n } }) {
    const o = outputs[0];
    eachChunk(inputs[0], 2 * n, domain.split, (words, first, count) => {
      for (let i = 0; i < count; i++) o.data[o.offset + first + i] = words[i]!;
    });
  },
  cost: free,
});

/** A key made from a key and a number that is data. */
export const foldInOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'foldIn',
  infer([key, data]) {
    checkKey('foldIn', key);
    if (data.dtype !== 'u32' || data.shape.length !== 0) {
      throw new DTypeError(
        `foldIn: data must be an i32 or u32 scalar, got ${data.dtype} ${show(data.shape)}.`,
      );
    }
    return { shape: [2], dtype: 'u32' };
  },
  cpu({ inputs, outputs }) {
    const [k, d, o] = [inputs[0], inputs[1], outputs[0]];
    const out = new Uint32Array(2);
    threefry2x32(k.data[k.offset], k.data[k.offset + 1], d.data[d.offset], domain.fold, out);
    o.data.set(out, o.offset);
  },
  cost: free,
});

/** n new keys; the old one is used up. */
export function split(key: Key, n: number = 2): Key[] {
  return temporaries(() => {
    if (!Number.isInteger(n) || n < 1) throw new OptionError(`split: n must be an integer ≥ 1, got ${n}.`);
    const keys = apply1(splitKeyOp, [key], { n });
    return Array.from({ length: n }, (_, i) => keys.at(i));
  });
}

/** The key for one of many uses, such as the number of a step or a layer; `data` may be an i32 or u32 scalar tensor. */
export function foldIn(key: Key, data: number | Tensor): Key {
  return temporaries(() => {
    if (typeof data === 'number') {
      if (!Number.isInteger(data) || data < -(2 ** 31) || data >= 2 ** 32) {
        throw new OptionError(`foldIn: data must be a 32-bit integer, got ${data}.`);
      }
      return apply1(foldInOp, [key, key.scalar(data >>> 0)], null);
    }
    const word = data.dtype === 'i32' ? data.cast('u32') : data;
    return apply1(foldInOp, [key, word], null);
  });
}
