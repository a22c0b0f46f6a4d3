import type { Tensor } from '../tensor.js';
import type { Device } from '../device.js';
import { apply1, applyOn } from '../engine/apply.js';
import type { Aval, DType, Shape } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import type { CpuView, Op } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { defineOp } from '../engine/op.js';
import { fillOp } from './fill.js';

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
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  let a = (c0 + k0) | 0;
  let b = (c1 + k1) | 0;
  const mix = (r: number): void => {
    a = (a + b) | 0;
    b = ((b << r) | (b >>> (32 - r))) ^ a;
  };
  mix(13); mix(15); mix(26); mix(6);
  a = (a + k1) | 0; b = (b + k2 + 1) | 0;
  mix(17); mix(29); mix(16); mix(24);
  a = (a + k2) | 0; b = (b + k0 + 2) | 0;
  mix(13); mix(15); mix(26); mix(6);
  a = (a + k0) | 0; b = (b + k1 + 3) | 0;
  mix(17); mix(29); mix(16); mix(24);
  a = (a + k1) | 0; b = (b + k2 + 4) | 0;
  mix(13); mix(15); mix(26); mix(6);
  out[0] = a + k2;
  out[1] = b + k0 + 5;
}

/** Second counter words of the uses of a key, so that they never meet. */
const domain = { numbers: 0, split: 1, fold: 2 };

/** Calls `visit(i, word0, word1)` for the counter blocks 0 … n − 1 of a key. */
function eachBlock(key: CpuView, n: number, use: number, visit: (i: number, w0: number, w1: number) => void): void {
  const [k0, k1] = [key.data[key.offset]!, key.data[key.offset + 1]!];
  const out = new Uint32Array(2);
  for (let i = 0; i < n; i++) {
    threefry2x32(k0, k1, i, use, out);
    visit(i, out[0]!, out[1]!);
  }
}

function checkKey(where: string, key: Aval): void {
  if (key.dtype !== 'u32' || key.shape.length !== 1 || key.shape[0] !== 2) {
    throw new DTypeError(`${where}: the key must be a u32 tensor [2], got ${key.dtype} ${show(key.shape)}. Make one with key(seed).`);
  }
}

const free = (): { flops: number } => ({ flops: 0 });

/** Keys [n, 2] made from one. */
export const splitKeyOp: Op<{ readonly n: number }> = defineOp({
  name: 'split',
  infer([key], { n }) {
    checkKey('split', key!);
    return { shape: [n, 2], dtype: 'u32' };
  },
  cpu({ inputs, outputs, attrs: { n } }) {
    const o = outputs[0]!;
    eachBlock(inputs[0]!, n, domain.split, (i, w0, w1) => {
      o.data[o.offset + 2 * i] = w0;
      o.data[o.offset + 2 * i + 1] = w1;
    });
  },
  cost: free,
});

/** A key made from a key and a number that is data. */
export const foldInOp: Op<null> = defineOp<null>({
  name: 'foldIn',
  infer([key, data]) {
    checkKey('foldIn', key!);
    if (data!.dtype !== 'u32' || data!.shape.length !== 0) {
      throw new DTypeError(`foldIn: data must be an i32 or u32 scalar, got ${data!.dtype} ${show(data!.shape)}.`);
    }
    return { shape: [2], dtype: 'u32' };
  },
  cpu({ inputs, outputs }) {
    const [k, d, o] = [inputs[0]!, inputs[1]!, outputs[0]!];
    const out = new Uint32Array(2);
    threefry2x32(k.data[k.offset]!, k.data[k.offset + 1]!, d.data[d.offset]!, domain.fold, out);
    o.data.set(out, o.offset);
  },
  cost: free,
});

interface DrawAttrs {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One random word per element. */
export const randomBitsOp: Op<DrawAttrs> = defineOp<DrawAttrs>({
  name: 'randomBits',
  infer([key], { shape }) {
    checkKey('randomBits', key!);
    return { shape, dtype: 'u32' };
  },
  cpu({ inputs, outputs, attrs: { shape } }) {
    const o = outputs[0]!;
    const n = sizeOf(shape);
    eachBlock(inputs[0]!, Math.ceil(n / 2), domain.numbers, (i, w0, w1) => {
      o.data[o.offset + 2 * i] = w0;
      if (2 * i + 1 < n) o.data[o.offset + 2 * i + 1] = w1;
    });
  },
  cost: free,
});

/** Multiples of 2⁻²⁴ in [0, 1), from the upper 24 bits of each word. */
export const uniformOp: Op<DrawAttrs> = defineOp<DrawAttrs>({
  name: 'uniform',
  infer([key], { shape, dtype }) {
    checkKey('uniform', key!);
    return { shape, dtype };
  },
  cpu({ inputs, outputs, attrs: { shape } }) {
    const o = outputs[0]!;
    const n = sizeOf(shape);
    eachBlock(inputs[0]!, Math.ceil(n / 2), domain.numbers, (i, w0, w1) => {
      o.data[o.offset + 2 * i] = (w0 >>> 8) * 2 ** -24;
      if (2 * i + 1 < n) o.data[o.offset + 2 * i + 1] = (w1 >>> 8) * 2 ** -24;
    });
  },
  cost: (_, outputs) => ({ flops: sizeOf(outputs[0]!.shape) }),
});

/** Standard normal numbers by the Box–Muller transform of the two words of each block. */
export const normalOp: Op<DrawAttrs> = defineOp<DrawAttrs>({
  name: 'normal',
  infer([key], { shape, dtype }) {
    checkKey('normal', key!);
    return { shape, dtype };
  },
  cpu({ inputs, outputs, attrs: { shape } }) {
    const o = outputs[0]!;
    const n = sizeOf(shape);
    eachBlock(inputs[0]!, Math.ceil(n / 2), domain.numbers, (i, w0, w1) => {
      const radius = Math.sqrt(-2 * Math.log(((w0 >>> 8) + 1) * 2 ** -24));
      const angle = 2 * Math.PI * (w1 >>> 8) * 2 ** -24;
      o.data[o.offset + 2 * i] = radius * Math.cos(angle);
      if (2 * i + 1 < n) o.data[o.offset + 2 * i + 1] = radius * Math.sin(angle);
    });
  },
  cost: (_, outputs) => ({ flops: sizeOf(outputs[0]!.shape) }),
});

/** Integers from low to high − 1: the upper word of word × range. */
export const randomIntOp: Op<{ readonly shape: Shape; readonly low: number; readonly range: number }> = defineOp({
  name: 'randomInt',
  infer([key], { shape }) {
    checkKey('randomInt', key!);
    return { shape, dtype: 'i32' };
  },
  cpu({ inputs, outputs, attrs: { shape, low, range } }) {
    const o = outputs[0]!;
    const n = sizeOf(shape);
    const pick = (w: number): number => low + Math.floor((w * range) / 2 ** 32);
    eachBlock(inputs[0]!, Math.ceil(n / 2), domain.numbers, (i, w0, w1) => {
      o.data[o.offset + 2 * i] = pick(w0);
      if (2 * i + 1 < n) o.data[o.offset + 2 * i + 1] = pick(w1);
    });
  },
  cost: free,
});

/** 0 … n − 1 sorted by random words, equal words by index. */
export const permutationOp: Op<{ readonly n: number }> = defineOp({
  name: 'permutation',
  infer([key], { n }) {
    checkKey('permutation', key!);
    return { shape: [n], dtype: 'i32' };
  },
  cpu({ inputs, outputs, attrs: { n } }) {
    const o = outputs[0]!;
    const words = new Uint32Array(n + 1);
    eachBlock(inputs[0]!, Math.ceil(n / 2), domain.numbers, (i, w0, w1) => {
      words[2 * i] = w0;
      words[2 * i + 1] = w1;
    });
    const order = Int32Array.from({ length: n }, (_, i) => i);
    order.sort((a, b) => words[a]! - words[b]! || a - b);
    o.data.set(order, o.offset);
  },
  cost: free,
});

// ---- functions -------------------------------------------------------------------------------------------------

/** Options of a distribution; the numbers live on the key's device. */
export interface RandomOptions {
  /** Default f32. f64 gives the same draws, transformed in double precision. */
  dtype?: DType;
  /** Must be the key's device when given. */
  device?: Device;
}

function draw<A>(where: string, op: Op<A>, key: Key, attrs: A & { readonly shape?: Shape }, o: RandomOptions = {}): Tensor {
  if (attrs.shape !== undefined && !attrs.shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new ShapeError(`${where}: sizes must be integers ≥ 0, got ${show(attrs.shape)}.`);
  }
  if (o.dtype !== undefined && o.dtype !== 'f32' && o.dtype !== 'f64') {
    throw new DTypeError(`${where}: the element type must be f32 or f64, got ${o.dtype}. Use cast() on the result.`);
  }
  if (o.device !== undefined && o.device !== key.device) {
    throw new OptionError(`${where}: the key lives on ${key.device.name}, not on ${o.device.name}. Make the key there: key(seed, { device }).`);
  }
  return apply1(op, [key], attrs);
}

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

/** Uniform numbers in [low, high), multiples of 2⁻²⁴ of the range. */
export function uniform(
  key: Key,
  shape: Shape,
  { low = 0, high = 1, dtype = 'f32', device }: RandomOptions & { low?: number; high?: number } = {},
): Tensor {
  return temporaries(() => {
    const u = draw('uniform', uniformOp, key, { shape: [...shape], dtype }, { dtype, device });
    return low === 0 && high === 1 ? u : u.mul(high - low).add(low);
  });
}

/** Normal numbers with a mean and standard deviation (Box–Muller; at most 5.77 deviations from the mean). */
export function normal(
  key: Key,
  shape: Shape,
  { mean = 0, std = 1, dtype = 'f32', device }: RandomOptions & { mean?: number; std?: number } = {},
): Tensor {
  return temporaries(() => {
    const z = draw('normal', normalOp, key, { shape: [...shape], dtype }, { dtype, device });
    return mean === 0 && std === 1 ? z : z.mul(std).add(mean);
  });
}

/** Normal numbers conditioned to lie between `low` and `high` standard deviations from the mean; `std` is that before cutting. */
export function truncatedNormal(
  key: Key,
  shape: Shape,
  { mean = 0, std = 1, low = -2, high = 2, dtype = 'f32', device }: RandomOptions & { mean?: number; std?: number; low?: number; high?: number } = {},
): Tensor {
  return temporaries(() => {
    if (!(low < high)) throw new OptionError(`truncatedNormal: low must be below high, got ${low} and ${high}.`);
    const u = draw('truncatedNormal', uniformOp, key, { shape: [...shape], dtype }, { dtype, device });
    // x = √2 erf⁻¹(v) with v uniform between erf(low/√2) and erf(high/√2).
    const [a, b] = [erfScalar(key, low, dtype), erfScalar(key, high, dtype)];
    const z = u.mul(b.sub(a)).add(a).erfinv().mul(Math.SQRT2).clip(low, high);
    return z.mul(std).add(mean);
  });
}

function erfScalar(key: Key, x: number, dtype: DType): Tensor {
  const scalar = applyOn(key.device, (v) => key.make(v), fillOp, [], { shape: [], dtype, value: x * Math.SQRT1_2 }) as Tensor;
  return scalar.erf();
}

/** True with probability p, a number or a tensor that broadcasts to the shape. */
export function bernoulli(key: Key, p: number | Tensor, shape: Shape): Tensor {
  return temporaries(() => {
    if (typeof p === 'number' && !(p >= 0 && p <= 1)) throw new OptionError(`bernoulli: p must be in [0, 1], got ${p}.`);
    return draw('bernoulli', uniformOp, key, { shape: [...shape], dtype: typeof p === 'number' ? 'f32' : p.dtype }).lt(p);
  });
}

/** One index per row of the last axis with probability softmax(logits) → i32, by adding Gumbel noise and taking the largest. */
export function categorical(key: Key, logits: Tensor): Tensor {
  return temporaries(() => {
    const u = draw('categorical', uniformOp, key, { shape: logits.shape, dtype: logits.dtype }, { dtype: logits.dtype });
    const noise = u.add(2 ** -25).log().neg().log().neg();
    return logits.add(noise).argMax(-1);
  });
}

/** Integers from low (included) to high (excluded) → i32. */
export function randomInt(key: Key, shape: Shape, { low = 0, high }: { low?: number; high: number }): Tensor {
  const whole = Number.isInteger(low) && Number.isInteger(high);
  if (!whole || high <= low || low < -(2 ** 31) || high > 2 ** 31) {
    throw new OptionError(`randomInt: low < high must be 32-bit integers, got ${low} and ${high}.`);
  }
  return draw('randomInt', randomIntOp, key, { shape: [...shape], low, range: high - low });
}

/** The numbers 0 … n − 1 in random order → i32 [n]. */
export function permutation(key: Key, n: number): Tensor {
  if (!Number.isInteger(n) || n < 0) throw new OptionError(`permutation: n must be an integer ≥ 0, got ${n}.`);
  return draw('permutation', permutationOp, key, { n });
}
