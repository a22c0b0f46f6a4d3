import type { HostArray } from './host.js';

/** Where two arrays differ. */
export interface Difference {
  /** Index along every axis of the first element beyond the tolerance. */
  readonly index: readonly number[];
  readonly got: number;
  readonly want: number;
  /** Largest absolute difference of all elements; Infinity where one is not a number and the other is. */
  readonly largest: number;
  /** The bound that was exceeded. */
  readonly bound: number;
}

/** A bound on |got − want|: `abs`, or `rel` times the largest finite magnitude of `want`, whichever is larger. */
export interface Bound {
  readonly abs?: number;
  readonly rel?: number;
}

/** Largest finite magnitude of an array; 0 when it has none. */
export function magnitude(data: ArrayLike<number>): number {
  let m = 0;
  for (let i = 0; i < data.length; i++) {
    const a = Math.abs(data[i]);
    if (a > m && a !== Infinity) m = a;
  }
  return m;
}

function distance(got: number, want: number): number {
  if (got === want || (Number.isNaN(got) && Number.isNaN(want))) return 0;
  const d = Math.abs(got - want);
  return Number.isNaN(d) ? Infinity : d;
}

/** Index along every axis of the flat position `i` of a shape. */
export function unravel(i: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = i % shape[axis];
    i = Math.floor(i / shape[axis]);
  }
  return index;
}

/**
 * The first element in which two arrays differ by more than a bound, or null.
 *
 * Infinities must match exactly; NaN matches NaN only.
 *
 * @throws Error when the lengths differ
 */
export function firstDifference(got: HostArray, want: HostArray, bound: Bound): Difference | null {
  if (got.data.length !== want.data.length)
    throw new Error(
      `firstDifference: sizes must agree, got [${got.shape.join(', ')}] and [${want.shape.join(', ')}]. Compare arrays of one shape.`,
    );
  const limit = Math.max(bound.abs ?? 0, (bound.rel ?? 0) * magnitude(want.data));
  let first = -1;
  let largest = 0;
  for (let i = 0; i < want.data.length; i++) {
    const d = distance(got.data[i], want.data[i]);
    if (d > largest) largest = d;
    if (d > limit && first < 0) first = i;
  }
  if (first < 0) return null;
  return {
    index: unravel(first, want.shape),
    got: got.data[first],
    want: want.data[first],
    largest,
    bound: limit,
  };
}

/** Largest absolute difference of two arrays of one size. */
export function largestDifference(got: HostArray, want: HostArray): number {
  let largest = 0;
  for (let i = 0; i < want.data.length; i++) largest = Math.max(largest, distance(got.data[i], want.data[i]));
  return largest;
}
