import type { GpuCall, GpuView } from '@seq/tensor/engine';

/** How the elements of one factor lie: strides along its free axis (rows of a, columns of b) and along K. */
export interface Side {
  readonly operand: number;
  readonly free: number;
  readonly k: number;
  readonly aligned: number;
  /** Strides of the batch axes. */
  readonly batch: readonly number[];
}

/** One batched product y[…, i, j] = Σ_k a[…, i, k] b[…, k, j], whatever the ranks were. */
export interface Problem {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly a: Side;
  readonly b: Side;
  /** Sizes of the batch axes, outermost first, merged where both factors allow it. */
  readonly batch: readonly number[];
  /** Products in all. */
  readonly products: number;
  /** Strides of y along its rows and columns. */
  readonly row: number;
  readonly column: number;
  /** True when the roles of rows and columns are exchanged: y is then written down columns. */
  readonly swapped: boolean;
  /** A number that divides the place where y begins. */
  readonly aligned: number;
}

/** How a kernel reads a factor: four at once along K, four at once along the free axis, or one at a time. */
export type Access = 'k4' | 'free4' | 'one';

/** The product a call asks for; rows take in batches that share b. */
export function problemOf({ inputs: [va, vb], outputs: [y] }: GpuCall<unknown>): Problem {
  const rank = y.shape.length;
  const sizes = y.shape.slice(0, rank - 2);
  const N = y.shape[rank - 1];
  let M = y.shape[rank - 2];
  const K = va.shape[va.shape.length - 1];
  const batch: number[] = [];
  const aBatch: number[] = [];
  const bBatch: number[] = [];
  sizes.forEach((size, i) => {
    if (size === 1) return;
    const [sa, sb] = [batchStride(va, i - rank), batchStride(vb, i - rank)];
    const last = batch.length - 1;
    if (last >= 0 && aBatch[last] === sa * size && bBatch[last] === sb * size) {
      batch[last] *= size;
      aBatch[last] = sa;
      bBatch[last] = sb;
    } else {
      batch.push(size);
      aBatch.push(sa);
      bBatch.push(sb);
    }
  });
  let aFree = va.strides[va.strides.length - 2];
  const last = batch.length - 1;
  if (last >= 0 && bBatch[last] === 0 && (M === 1 || aBatch[last] === aFree * M)) {
    if (M === 1) aFree = aBatch[last];
    M *= batch[last];
    for (const list of [batch, aBatch, bBatch]) list.pop();
  }
  const [bk, bFree] = vb.strides.slice(-2) as [number, number];
  const ak = va.strides[va.strides.length - 1];
  return {
    M,
    N,
    K,
    a: { operand: 0, free: aFree, k: ak, aligned: va.aligned, batch: aBatch },
    b: { operand: 1, free: bFree, k: bk, aligned: vb.aligned, batch: bBatch },
    batch,
    products: batch.reduce((p, d) => p * d, 1),
    row: N,
    column: 1,
    swapped: false,
    aligned: y.aligned,
  };
}

/** Stride of an axis counted from the end (negative); 0 where the operand is repeated along it. */
function batchStride({ shape, strides }: GpuView, axis: number): number {
  const i = shape.length + axis;
  return i < 0 || shape[i] === 1 ? 0 : strides[i];
}

/** The same product as bᵀ aᵀ. */
export function swap(p: Problem): Problem {
  return { ...p, M: p.N, N: p.M, a: p.b, b: p.a, row: p.column, column: p.row, swapped: !p.swapped };
}

/** The widest way to read a factor whose free axis has `n` elements. */
export function accessOf({ free, k, aligned, batch }: Side, n: number, K: number): Access {
  const fours = (strides: readonly number[]): boolean =>
    aligned % 4 === 0 && [...batch, ...strides].every((s) => s % 4 === 0);
  if (k === 1 && K % 4 === 0 && fours(n === 1 ? [] : [free])) return 'k4';
  if (free === 1 && n % 4 === 0 && fours(K === 1 ? [] : [k])) return 'free4';
  return 'one';
}

/** True when rows of y can be written four columns at once. */
export function storesFours(p: Problem): boolean {
  return p.column === 1 && p.N % 4 === 0 && p.row % 4 === 0 && p.aligned % 4 === 0;
}
