import { describe, expect, test } from 'vitest';
import { numbers } from '../testkit.js';
import { exp, sigmoid, tanh } from './exp.js';

/** Largest relative difference of two functions at points spread over (−range, range), dense near 0. */
function worst(f: (x: number) => number, g: (x: number) => number, range: number): number {
  let error = 0;
  for (const u of numbers(200_000, 12)) {
    for (const x of [range * u, range * u ** 9]) error = Math.max(error, Math.abs(f(x) / g(x) - 1));
  }
  return error;
}

describe('own exponentials', () => {
  test('exp', () => {
    expect(worst(exp, Math.exp, 700)).toBeLessThan(5e-16);
    expect(worst(exp, Math.exp, 1)).toBeLessThan(5e-16);
    expect([exp(0), exp(-0), exp(-Infinity), exp(-1e9), exp(Infinity), exp(1000), exp(NaN)]).toEqual([
      1,
      1,
      0,
      0,
      Infinity,
      Infinity,
      NaN,
    ]);
    for (const x of [-745.5, -745.1, -744, -720, -708.5])
      expect(Math.abs(exp(x) - Math.exp(x))).toBeLessThanOrEqual(5e-324);
    expect(exp(709.7) / Math.exp(709.7)).toBe(1);
  });

  test('tanh', () => {
    expect(worst(tanh, Math.tanh, 20)).toBeLessThan(1e-15);
    expect(worst(tanh, Math.tanh, 0.2)).toBeLessThan(1e-15);
    expect([tanh(0), tanh(-0), tanh(Infinity), tanh(-Infinity), tanh(1e9), tanh(NaN), tanh(1e-300)]).toEqual([
      0,
      -0,
      1,
      -1,
      1,
      NaN,
      1e-300,
    ]);
  });

  test('sigmoid', () => {
    expect(worst(sigmoid, (x) => 1 / (1 + Math.exp(-x)), 700)).toBeLessThan(1e-15);
    expect([
      sigmoid(0),
      sigmoid(Infinity),
      sigmoid(-Infinity),
      sigmoid(1e4),
      sigmoid(-1e4),
      sigmoid(NaN),
    ]).toEqual([0.5, 1, 0, 1, 0, NaN]);
  });
});
