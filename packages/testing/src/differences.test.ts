import { expect, test } from 'vitest';
import { slopes } from './differences.js';
import { hostRandom } from './host.js';
import type { HostArray } from './host.js';

/** f = Σ_ij sin(x_i) y_j² */
const f = ([x, y]: readonly HostArray[]): number =>
  x.data.reduce((s, v) => s + Math.sin(v), 0) * y.data.reduce((s, v) => s + v * v, 0);

const x = hostRandom(1).normal([3]);
const y = hostRandom(2).normal([2, 10]);
const sumY = y.data.reduce((s, v) => s + v * v, 0);
const sumX = x.data.reduce((s, v) => s + Math.sin(v), 0);
const dx = { ...x, data: x.data.map((v) => Math.cos(v) * sumY) };
const dy = { ...y, data: y.data.map((v) => 2 * v * sumX) };

test('slopes of a right gradient agree with it to 1e-9', async () => {
  const found = await slopes(f, [x, y], [dx, dy]);
  expect(found.filter((s) => s.input === 0).map((s) => s.element)).toEqual([-1, -1, 0, 1, 2]);
  expect(found.filter((s) => s.input === 1).length).toBeGreaterThan(5);
  for (const { measured, claimed } of found)
    expect(Math.abs(measured - claimed)).toBeLessThan(1e-9 * Math.max(1, Math.abs(claimed)));
});

test('an error in one element of many shows along a direction', async () => {
  const data = Float64Array.from(dy.data);
  data[13] += 1e-4;
  const wrong = await slopes(f, [x, y], [null, { ...dy, data }]);
  expect(wrong.every((s) => s.input === 1)).toBe(true);
  expect(wrong.some((s) => s.element < 0 && Math.abs(s.measured - s.claimed) > 0.9e-4)).toBe(true);
});
