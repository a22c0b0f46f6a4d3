import { expect, test } from 'vitest';
import { firstDifference, largestDifference, magnitude, unravel } from './compare.js';
import type { HostArray } from './host.js';

const array = (shape: number[], ...values: number[]): HostArray => ({
  shape,
  data: Float64Array.from(values),
});

test('a difference within the bound is none; beyond it the first is named and the largest told', () => {
  const want = array([2, 2], 1, 2, 3, 4);
  expect(firstDifference(array([2, 2], 1, 2.01, 3, 4), want, { abs: 0.1 })).toBeNull();
  expect(firstDifference(array([2, 2], 1, 2, 3.5, 5), want, { abs: 0.1 })).toEqual({
    index: [1, 0],
    got: 3.5,
    want: 3,
    largest: 1,
    bound: 0.1,
  });
});

test('a relative bound measures by the largest magnitude of what is wanted', () => {
  const want = array([3], 0, -100, 1);
  expect(firstDifference(array([3], 0.9, -100, 1), want, { rel: 0.01 })).toBeNull();
  expect(firstDifference(array([3], 1.1, -100, 1), want, { rel: 0.01 })?.index).toEqual([0]);
});

test('NaN and infinities match themselves only', () => {
  expect(firstDifference(array([2], NaN, Infinity), array([2], NaN, Infinity), {})).toBeNull();
  expect(firstDifference(array([1], NaN), array([1], 0), { abs: 1e9 })?.largest).toBe(Infinity);
  expect(firstDifference(array([1], 0), array([1], NaN), { abs: 1e9 })?.largest).toBe(Infinity);
  expect(firstDifference(array([1], 1e300), array([1], Infinity), { abs: 1e9 })).not.toBeNull();
  expect(firstDifference(array([1], -Infinity), array([1], Infinity), { abs: 1e9 })).not.toBeNull();
});

test('sizes must agree', () => {
  expect(() => firstDifference(array([1], 1), array([2], 1, 2), {})).toThrow(
    /sizes must agree, got \[1\] and \[2\]/,
  );
});

test('magnitudes ignore infinities, indices run along every axis', () => {
  expect(magnitude([1, -3, Infinity, -Infinity])).toBe(3);
  expect(magnitude([])).toBe(0);
  expect(unravel(11, [2, 3, 4])).toEqual([0, 2, 3]);
  expect(largestDifference(array([2], 1, 2), array([2], 1.5, 2))).toBe(0.5);
});
