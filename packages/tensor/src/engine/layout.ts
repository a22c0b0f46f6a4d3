import type { Shape } from './dtype.js';
import { ShapeError, show } from './errors.js';

/** Where the elements of a tensor lie in its storage: strides and offset count elements. */
export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Row-major strides of a shape. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let n = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = n;
    n *= shape[i];
  }
  return strides;
}

/** The row-major layout of a shape, from offset 0. */
export function denseLayout(shape: Shape): Layout {
  return { shape, strides: stridesOf(shape), offset: 0 };
}

/** True when the elements lie one behind the other in row-major order, from any offset. */
export function isContiguous(layout: { shape: Shape; strides: readonly number[] }): boolean {
  if (layout.shape.includes(0)) return true;
  let n = 1;
  for (let i = layout.shape.length - 1; i >= 0; i--) {
    const d = layout.shape[i];
    if (d !== 1 && layout.strides[i] !== n) return false;
    n *= d;
  }
  return true;
}

/** `axis` counted from the front, for an axis that may be negative. */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  const a = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || a < 0 || a >= rank) {
    throw new ShapeError(
      `${where}: axis must be an integer in [${-rank}, ${rank - 1}], got ${axis}. The tensor has rank ${rank}.`,
    );
  }
  return a;
}

/** Sorted, distinct axes counted from the front; all of them when `axes` is undefined. */
export function normalizeAxes(
  where: string,
  axes: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === 'number' ? [axes] : [...axes]).map((a) => normalizeAxis(where, a, rank));
  list.sort((x, y) => x - y);
  for (let i = 1; i < list.length; i++) {
    if (list[i] === list[i - 1]) {
      throw new ShapeError(`${where}: axes must be distinct, got ${show(list)}. Name each once.`);
    }
  }
  return list;
}

/** The NumPy broadcast of two shapes. */
export function broadcastShapes(where: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i] : 1;
    const y = i <= b.length ? b[b.length - i] : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${where}: shapes must broadcast, got ${show(a)} and ${show(b)} (${x} ≠ ${y}, ${i === 1 ? 'last' : `${i}th last`} axis). Make the sizes equal or one of them 1.`,
      );
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/** The layout seen as the larger `shape`; repeated axes get stride 0. Assumes that the shapes broadcast. */
export function broadcastLayout(layout: Layout, shape: Shape): Layout {
  const lead = shape.length - layout.shape.length;
  const strides = shape.map((d, i) => {
    if (i < lead) return 0;
    return layout.shape[i - lead] === 1 && d !== 1 ? 0 : layout.strides[i - lead];
  });
  return { shape, strides, offset: layout.offset };
}

/** The layout with axes in the order `perm`. */
export function permuteLayout(layout: Layout, perm: readonly number[]): Layout {
  return {
    shape: perm.map((p) => layout.shape[p]),
    strides: perm.map((p) => layout.strides[p]),
    offset: layout.offset,
  };
}

/**
 * The layout seen with another shape of the same size, or undefined when no strides express it.
 * Axes are grouped greedily: a group of old axes that is contiguous within itself may be split or merged freely.
 */
export function reshapeLayout(layout: Layout, shape: Shape): Layout | undefined {
  if (isContiguous(layout)) return { shape, strides: stridesOf(shape), offset: layout.offset };
  const strides = new Array<number>(shape.length).fill(0);
  const old = layout.shape.map((d, i) => [d, layout.strides[i]] as const).filter(([d]) => d !== 1);
  let i = 0;
  let j = 0;
  while (i < old.length && j < shape.length) {
    let oldSize = old[i][0];
    let newSize = shape[j];
    const i0 = i;
    const j0 = j;
    while (oldSize !== newSize) {
      if (oldSize < newSize) oldSize *= old[++i][0];
      else newSize *= shape[++j];
    }
    for (let k = i0; k < i; k++) {
      if (old[k][1] !== old[k + 1][1] * old[k + 1][0]) return undefined;
    }
    let s = old[i][1];
    for (let k = j; k >= j0; k--) {
      strides[k] = s;
      s *= shape[k];
    }
    i++;
    j++;
  }
  return { shape, strides, offset: layout.offset };
}
