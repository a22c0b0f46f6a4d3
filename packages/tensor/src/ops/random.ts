import type { Tensor } from '../tensor.js';
import type { Device } from '../device.js';
import { erf, erfinv } from '../cpu/math.js';
import { apply1 } from '../engine/apply.js';
import type { DType, Shape, TypedArray } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import type { Key } from './keys.js';
import { checkKey, domain, eachChunk } from './keys.js';

const free = (): { flops: number } => ({ flops: 0 });

interface DrawAttrs {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** An op that makes numbers from random words: element i from word i (and its neighbour in the same block). */
function drawOp<A extends { readonly shape: Shape }>(
  name: string,
  dtypeOf: (attrs: A) => DType,
  fill: (words: Uint32Array, n: number, o: TypedArray, at: number, attrs: A) => void,
): Op<A> {
  return defineOp<A>({
    name,
    infer([key], attrs) {
      checkKey(name, key);
      return { shape: attrs.shape, dtype: dtypeOf(attrs) };
    },
    cpu({ inputs, outputs, attrs }) {
      const o = outputs[0];
      eachChunk(inputs[0], sizeOf(attrs.shape), domain.numbers, (words, first, count) =>
        fill(words, count, o.data, o.offset + first, attrs),
      );
    },
    cost: (_, outputs) => ({ flops: sizeOf(outputs[0].shape) }),
  });
}

interface UniformAttrs extends DrawAttrs {
  readonly low: number;
  readonly high: number;
}

/** low + u (high − low), u a multiple of 2⁻²⁴ in [0, 1) from the upper 24 bits; rounding never reaches high. */
export const uniformOp: Op<UniformAttrs> = /* @__PURE__ */ drawOp<UniformAttrs>(
  'uniform',
  ({ dtype }) => dtype,
  (words, n, o, at, { low, high, dtype }) => {
    const scale = (high - low) * 2 ** -24;
    const top = Math.max(low, justBelow(high, dtype));
    for (let i = 0; i < n; i++) {
      const x = low + (words[i] >>> 8) * scale;
      o[at + i] = x < top ? x : top;
    }
  },
);

/** The greatest number of a type below x. */
function justBelow(x: number, dtype: DType): number {
  const bytes = dtype === 'f64' ? 8 : 4;
  const value = dtype === 'f64' ? new Float64Array([x]) : new Float32Array([x]);
  if (value[0] < x) return value[0];
  if (value[0] === 0) return dtype === 'f64' ? -(2 ** -1074) : -(2 ** -149);
  const step = value[0] > 0 ? -1 : 1;
  if (bytes === 4) new Int32Array(value.buffer)[0] += step;
  else new BigInt64Array(value.buffer)[0] += BigInt(step);
  return value[0];
}

interface NormalAttrs extends DrawAttrs {
  readonly mean: number;
  readonly std: number;
}

/** Normal numbers: r cos φ and r sin φ with r = √(−2 log u), φ = 2π v of the two words of each block. */
export const normalOp: Op<NormalAttrs> = /* @__PURE__ */ drawOp<NormalAttrs>(
  'normal',
  ({ dtype }) => dtype,
  (words, n, o, at, { mean, std }) => {
    for (let i = 0; i < n; i += 2) {
      const radius = std * Math.sqrt(-2 * Math.log(((words[i] >>> 8) + 1) * 2 ** -24));
      const angle = 2 * Math.PI * (words[i + 1] >>> 8) * 2 ** -24;
      o[at + i] = mean + radius * Math.cos(angle);
      if (i + 1 < n) o[at + i + 1] = mean + radius * Math.sin(angle);
    }
  },
);

interface TruncatedAttrs extends NormalAttrs {
  readonly low: number;
  readonly high: number;
}

/** mean + std √2 erf⁻¹(v), v uniform between erf(low/√2) and erf(high/√2): the inverse of the distribution. */
export const truncatedNormalOp: Op<TruncatedAttrs> = /* @__PURE__ */ drawOp<TruncatedAttrs>(
  'truncatedNormal',
  ({ dtype }) => dtype,
  (words, n, o, at, { mean, std, low, high }) => {
    const from = erf(low * Math.SQRT1_2);
    const scale = (erf(high * Math.SQRT1_2) - from) * 2 ** -24;
    for (let i = 0; i < n; i++) {
      const z = Math.SQRT2 * erfinv(from + ((words[i] >>> 8) + 0.5) * scale);
      o[at + i] = mean + std * (z < low ? low : z > high ? high : z);
    }
  },
);

/** Gumbel noise −log(−log(1 − v)), v = (word + ½) 2⁻³²: finest where it is largest. */
export const gumbelOp: Op<DrawAttrs> = /* @__PURE__ */ drawOp<DrawAttrs>(
  'gumbel',
  ({ dtype }) => dtype,
  (words, n, o, at) => {
    for (let i = 0; i < n; i++) o[at + i] = -Math.log(-Math.log1p(-(words[i] + 0.5) * 2 ** -32));
  },
);

interface IntegerAttrs {
  readonly shape: Shape;
  readonly low: number;
  readonly range: number;
}

/** low + the part above 2⁶⁴ of (both words of a block as one number) × range. */
export const randomIntOp: Op<IntegerAttrs> = /* @__PURE__ */ defineOp<IntegerAttrs>({
  name: 'randomInt',
  infer([key], { shape }) {
    checkKey('randomInt', key);
    return { shape, dtype: 'i32' };
  },
  cpu({ inputs, outputs, attrs: { shape, low, range } }) {
    const o = outputs[0];
    eachChunk(inputs[0], 2 * sizeOf(shape), domain.numbers, (words, first, count) => {
      for (let i = 0, k = o.offset + first / 2; i < count; i += 2, k++) {
        const w = words[i];
        // Halves of 16 bits keep every product below 2⁴⁹.
        const lower = (w & 0xffff) * range + Math.floor((words[i + 1] * range) / 2 ** 32);
        o.data[k] = low + Math.floor(((w >>> 16) * range + Math.floor(lower / 65536)) / 65536);
      }
    });
  },
  cost: free,
});

/** Rows up to this length sort as one number per element: 32 random bits over 21 bits of index. */
const KEY_INDEX = 2 ** 21;

/** 0 … n − 1 sorted by random words, equal words by index. */
export const permutationOp: Op<{ readonly n: number }> = /* @__PURE__ */ defineOp({
  name: 'permutation',
  infer([key], { n }) {
    checkKey('permutation', key);
    return { shape: [n], dtype: 'i32' };
  },
  scratch: (_, { n }) => 8 * n,
  cpu({ inputs, outputs, attrs: { n }, scratch }) {
    const o = outputs[0];
    const keys = scratch.subarray(0, n);
    eachChunk(inputs[0], n, domain.numbers, (words, first, count) => {
      for (let i = 0; i < count; i++) keys[first + i] = words[i]!;
    });
    if (n <= KEY_INDEX) {
      for (let i = 0; i < n; i++) keys[i] = keys[i] * KEY_INDEX + i;
      keys.sort();
      for (let i = 0; i < n; i++) o.data[o.offset + i] = keys[i] % KEY_INDEX;
    } else {
      const order = o.data.subarray(o.offset, o.offset + n);
      for (let i = 0; i < n; i++) order[i] = i;
      order.sort((a, b) => keys[a] - keys[b] || a - b);
    }
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

function draw<A>(
  where: string,
  op: Op<A>,
  key: Key,
  attrs: A & { readonly shape?: Shape },
  o: RandomOptions = {},
): Tensor {
  if (attrs.shape !== undefined && !attrs.shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new ShapeError(`${where}: sizes must be integers ≥ 0, got ${show(attrs.shape)}.`);
  }
  if (o.dtype !== undefined && o.dtype !== 'f32' && o.dtype !== 'f64') {
    throw new DTypeError(
      `${where}: the element type must be f32 or f64, got ${o.dtype}. Use cast() on the result.`,
    );
  }
  if (o.device !== undefined && o.device !== key.device) {
    throw new OptionError(
      `${where}: the key lives on ${key.device.name}, not on ${o.device.name}. Make the key there: key(seed, { device }).`,
    );
  }
  return apply1(op, [key], attrs);
}

/**
 * Uniform numbers in [low, high): low + u (high − low) with u a multiple of 2⁻²⁴.
 *
 * @throws ShapeError, DTypeError, OptionError
 */
export function uniform(
  key: Key,
  shape: Shape,
  { low = 0, high = 1, dtype = 'f32', device }: RandomOptions & { low?: number; high?: number } = {},
): Tensor {
  if (!(low <= high) || !Number.isFinite(high - low)) {
    throw new OptionError(`uniform: low and high must be finite and low ≤ high, got ${low} and ${high}.`);
  }
  return draw('uniform', uniformOp, key, { shape: [...shape], dtype, low, high }, { dtype, device });
}

/**
 * Normal numbers with a mean and standard deviation, by the transform of Box and Muller (1958) of 24 bits each;
 * none is farther than 5.77 deviations from the mean.
 *
 * @throws ShapeError, DTypeError
 */
export function normal(
  key: Key,
  shape: Shape,
  { mean = 0, std = 1, dtype = 'f32', device }: RandomOptions & { mean?: number; std?: number } = {},
): Tensor {
  return draw('normal', normalOp, key, { shape: [...shape], dtype, mean, std }, { dtype, device });
}

/**
 * Normal numbers conditioned to lie between `low` and `high` standard deviations from the mean, by the inverse
 * of the distribution function; `std` is the deviation before cutting.
 *
 * @throws ShapeError, DTypeError, OptionError
 */
export function truncatedNormal(
  key: Key,
  shape: Shape,
  {
    mean = 0,
    std = 1,
    low = -2,
    high = 2,
    dtype = 'f32',
    device,
  }: RandomOptions & { mean?: number; std?: number; low?: number; high?: number } = {},
): Tensor {
  if (!(low < high))
    throw new OptionError(`truncatedNormal: low must be below high, got ${low} and ${high}.`);
  const attrs = { shape: [...shape], dtype, mean, std, low, high };
  return draw('truncatedNormal', truncatedNormalOp, key, attrs, { dtype, device });
}

/** True with probability p, a number or a tensor that broadcasts to the shape. */
export function bernoulli(key: Key, p: number | Tensor, shape: Shape): Tensor {
  return temporaries(() => {
    if (typeof p === 'number' && !(p >= 0 && p <= 1))
      throw new OptionError(`bernoulli: p must be in [0, 1], got ${p}.`);
    const dtype = typeof p === 'number' ? 'f32' : p.dtype;
    return draw('bernoulli', uniformOp, key, { shape: [...shape], dtype, low: 0, high: 1 }, { dtype }).lt(p);
  });
}

/**
 * One index per row of the last axis with probability softmax(logits), by adding Gumbel noise and taking the
 * largest.
 *
 * @param logits  [..., V], −∞ for what must not be drawn
 * @returns       i32 [...]
 */
export function categorical(key: Key, logits: Tensor): Tensor {
  return temporaries(() => {
    const { shape, dtype } = logits;
    return logits.add(draw('categorical', gumbelOp, key, { shape, dtype }, { dtype })).argMax(-1);
  });
}

/** Integers from low (included) to high (excluded) → i32, all equally likely to within 2⁻³². */
export function randomInt(key: Key, shape: Shape, { low = 0, high }: { low?: number; high: number }): Tensor {
  const whole = Number.isInteger(low) && Number.isInteger(high);
  if (!whole || high <= low || low < -(2 ** 31) || high > 2 ** 31) {
    throw new OptionError(`randomInt: low < high must be 32-bit integers, got ${low} and ${high}.`);
  }
  return draw('randomInt', randomIntOp, key, { shape: [...shape], low, range: high - low });
}

/** The numbers 0 … n − 1 in random order → i32 [n]. */
export function permutation(key: Key, n: number): Tensor {
  if (!Number.isInteger(n) || n < 0)
    throw new OptionError(`permutation: n must be an integer ≥ 0, got ${n}.`);
  return draw('permutation', permutationOp, key, { n });
}
