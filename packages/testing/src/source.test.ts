import { expect, test } from 'vitest';
import { hostRandom } from './host.js';
import { conditional, draw, entropy, symbols } from './source.js';

test('the source has the transition it claims, at its lag and at no other', () => {
  const [B, T] = [200, 60];
  for (const lag of [1, 3]) {
    const ids = draw(hostRandom(1), B, T, lag);
    const follows = (distance: number): number => {
      let hits = 0;
      let n = 0;
      for (let b = 0; b < B; b++)
        for (let t = distance; t < T; t++, n++)
          if (ids[b * T + t] === (ids[b * T + t - distance] + 1) % symbols) hits++;
      return hits / n;
    };
    expect(follows(lag)).toBeGreaterThan(0.83);
    expect(follows(lag)).toBeLessThan(0.87);
    // Two steps lead to s + 2; where the lag does not divide the distance, chance alone leads to s + 1.
    expect(follows(2)).toBeLessThan(lag === 1 ? 0.15 : 0.3);
  }
});

test('entropies: of the source, of a guess, of a symbol known from both sides', () => {
  expect(entropy(conditional(2))).toBeCloseTo(0.5875, 3);
  expect(entropy([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(Math.log(4), 12);
  // s → s+1 → s+2: both neighbours agree on what lies between.
  const between = conditional(0, 2);
  expect(between.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  expect(between[1]).toBeCloseTo(0.85 ** 2 / (0.85 ** 2 + 3 * 0.05 ** 2), 12);
});
