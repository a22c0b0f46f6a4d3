import type { Tensor } from '../tensor.js';
import { apply, apply1 } from '../engine/apply.js';
import type { TypedArray } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { addAlongOp } from './indexing.js';

interface TopKAttrs {
  readonly k: number;
  readonly largest: boolean;
}

/** Rows up to this length sort as one number per element: 32 bits of value over 21 bits of index. */
const KEY_INDEX = 2 ** 21;
/** For fewer results than this a sorted list is kept while the row is read once. */
const INSERTION = 64;

type Kind = 'float' | 'signed' | 'unsigned';

/** A number in [0, 2³²) in the order of the values, from the bits of one; NaN is the greatest, −0 equals 0. */
function rank(bits: number, kind: Kind): number {
  if (kind === 'unsigned') return bits;
  if (kind === 'signed') return (bits ^ 0x80000000) >>> 0;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0xffffffff;
  return bits === magnitude || magnitude === 0 ? magnitude + 0x80000000 : ~bits >>> 0;
}

/** First k of a row by combined numbers: value first, then index. The numbers stay in `keys`. */
function selectByKey(
  words: Uint32Array,
  kind: Kind,
  at: number,
  n: number,
  { k, largest }: TopKAttrs,
  keys: Float64Array,
): void {
  if (k >= INSERTION || 4 * k >= n) {
    for (let i = 0; i < n; i++) {
      const r = rank(words[at + i], kind);
      keys[i] = (largest ? 0xffffffff - r : r) * KEY_INDEX + i;
    }
    keys.subarray(0, n).sort();
    return;
  }
  keys.fill(Infinity, 0, k);
  let worst = k === 0 ? -Infinity : Infinity;
  for (let i = 0; i < n; i++) {
    const r = rank(words[at + i], kind);
    const key = (largest ? 0xffffffff - r : r) * KEY_INDEX + i;
    if (key > worst) continue;
    let j = k - 1;
    for (; j > 0 && keys[j - 1] > key; j--) keys[j] = keys[j - 1];
    keys[j] = key;
    worst = keys[k - 1];
  }
}

/** The same for f64 and for very long rows, through a list of indices. */
function selectByIndex(x: TypedArray, at: number, n: number, largest: boolean, keys: Float64Array): void {
  const order = keys.subarray(0, n);
  for (let i = 0; i < n; i++) order[i] = i;
  const sign = largest ? -1 : 1;
  order.sort((i, j) => {
    const [a, b] = [x[at + i], x[at + j]];
    if (a < b) return -sign;
    if (a > b) return sign;
    if (a === b) return i - j;
    const [aNaN, bNaN] = [Number.isNaN(a), Number.isNaN(b)];
    return aNaN === bNaN ? i - j : aNaN ? sign : -sign;
  });
}

/** Values [..., k] and indices [..., k] of the first k elements of each row in sorted order. */
export const topKOp: Op<TopKAttrs> = /* @__PURE__ */ defineOp<TopKAttrs>({
  name: 'topK',
  infer([x], { k }) {
    const shape = [...x.shape.slice(0, -1), k];
    return [
      { shape, dtype: x.dtype },
      { shape, dtype: 'i32' },
    ];
  },
  scratch: ([x]) => 8 * x.shape[x.shape.length - 1],
  cpu({ inputs: [x], outputs: [values, indices], attrs, scratch }) {
    const { k, largest } = attrs;
    const n = x.shape[x.shape.length - 1];
    const rows = n === 0 ? 0 : sizeOf(x.shape) / n;
    const byKey = !(x.data instanceof Float64Array) && n <= KEY_INDEX;
    const words = new Uint32Array(x.data.buffer, x.data.byteOffset, x.data.byteLength >> 2);
    const kind =
      x.data instanceof Float32Array ? 'float' : x.data instanceof Int32Array ? 'signed' : 'unsigned';
    for (let r = 0; r < rows; r++) {
      const at = x.offset + r * n;
      if (byKey) selectByKey(words, kind, at, n, attrs, scratch);
      else selectByIndex(x.data, at, n, largest, scratch);
      for (let i = 0; i < k; i++) {
        const index = byKey ? scratch[i] % KEY_INDEX : scratch[i];
        values.data[values.offset + r * k + i] = x.data[at + index];
        indices.data[indices.offset + r * k + i] = index;
      }
    }
  },
  vjp: ({ inputs: [x], outputs: [, indices], cotangents: [g] }) => [
    g === null ? null : apply1(addAlongOp, [x.zeros(), indices, g], { axis: x.shape.length - 1 }),
  ],
  cost: ([x], _, { k }) => ({ flops: sizeOf(x.shape) * Math.max(1, Math.ceil(Math.log2(k + 1))) }),
});

function checkRows(name: string, x: Tensor): void {
  if (x.dtype === 'bool' || x.dtype === 'f16') {
    throw new DTypeError(
      `${name}: the element type must be f32, f64, i32 or u32, got ${x.dtype}. Use cast() first.`,
    );
  }
  if (x.shape.length === 0)
    throw new ShapeError(`${name}: x must have an axis, got a scalar. Reshape it to [1].`);
}

/**
 * The k greatest elements along the last axis, greatest first; among equals the lower index comes first.
 *
 * @param x  [..., N]  NaN counts as greater than everything
 * @param k  0 ≤ k ≤ N; `topK(x, N)` sorts
 * @param options.largest  false: the k smallest, smallest first
 * @returns  `[values [..., k], indices i32 [..., k]]`; gradients flow through the values
 * @throws OptionError, ShapeError, DTypeError
 */
export function topK(
  x: Tensor,
  k: number,
  { largest = true }: { largest?: boolean } = {},
): [values: Tensor, indices: Tensor] {
  checkRows('topK', x);
  const n = x.shape[x.shape.length - 1];
  if (!Number.isInteger(k) || k < 0 || k > n) {
    throw new OptionError(`topK: k must be an integer in [0, ${n}] for x ${show(x.shape)}, got ${k}.`);
  }
  return apply(topKOp, [x], { k, largest }) as [Tensor, Tensor];
}

/**
 * Indices that sort an axis, stable: equals keep their order.
 *
 * @returns  i32, the shape of x; `x.takeAlong(argsort(x), -1)` is sorted
 * @throws ShapeError, DTypeError
 */
export function argsort(
  x: Tensor,
  axis: number = -1,
  { descending = false }: { descending?: boolean } = {},
): Tensor {
  checkRows('argsort', x);
  const a = normalizeAxis('argsort', axis, x.shape.length);
  return temporaries(() => {
    const [, indices] = topK(x.swapAxes(a, -1), x.shape[a], { largest: descending });
    return indices.swapAxes(a, -1);
  });
}
