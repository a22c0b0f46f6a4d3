import { key } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { s4d, s4dRates, s4dScan } from './index.js';
import { s4dNaive } from './naive.js';

const [H, M] = [3, 4];

// A Fourier transform rounds all positions together: later inputs touch earlier outputs in the last places.
const tolerances = { causality: 2e-6 };

conformance(s4d, {
  small: { dModel: 4, stateDim: 6 },
  learn: { dModel: 16, stateDim: 16 },
  tolerances,
  core: {
    inputs: ({ B, T, random }) => ({
      u: random.normal([B, T, H]),
      logStep: random.uniform([H], { low: -4, high: -1 }),
      logReal: random.normal([H, M], { std: 0.5 }),
      imag: random.normal([H, M], { std: 3 }),
      Cre: random.normal([H, M]),
      Cim: random.normal([H, M]),
      D: random.normal([H]),
      hre: random.normal([B, H, M]),
      him: random.normal([B, H, M]),
    }),
    op({ u, Cre, Cim, hre, him, logStep, logReal, imag, D }) {
      const system = { logStep, logReal, imag, C: { re: Cre, im: Cim }, D };
      const [y, h] = s4dScan(u, system, { h0: { re: hre, im: him } });
      return { y, hre: h.re, him: h.im };
    },
    naive: (arrays) => {
      const data: Record<string, ArrayLike<number>> = Object.fromEntries(
        Object.entries(arrays).map(([k, v]) => [k, v.data]),
      );
      const [B, T] = arrays['u'].shape;
      return s4dNaive(data, { B, T, H, M });
    },
  },
});

conformance(s4d, {
  name: 's4d by the bilinear rule, from LegS',
  small: { dModel: 4, stateDim: 6, init: 'legs', discretization: 'bilinear' },
  learn: { dModel: 16, stateDim: 16, init: 'legs', discretization: 'bilinear' },
  tolerances,
});

test('rates as published', () => {
  const numbers = (list: Float64Array): number[] => [...list].map((x) => Number(x.toFixed(12)));
  const close = (list: number[]): number[] => list.map((x) => Number(x.toFixed(12)));
  expect(s4dRates('lin', 3)).toEqual({
    re: Float64Array.of(-0.5, -0.5, -0.5),
    im: Float64Array.of(0, Math.PI, 2 * Math.PI),
  });
  expect(numbers(s4dRates('inv', 2).im)).toEqual(close([12 / Math.PI, 4 / (3 * Math.PI)]));
  expect(s4dRates('real', 3)).toEqual({ re: Float64Array.of(-1, -2, -3), im: new Float64Array(3) });
  // Two states of HiPPO-LegS: −½ ± i √3 / 2.
  expect(numbers(s4dRates('legs', 1).im)).toEqual(close([Math.sqrt(0.75)]));
  expect(() => s4d({ dModel: 2, init: 'best' as 'lin' }).init(key(0))).toThrow(
    "s4d: init must be 'lin', 'inv', 'legs' or 'real', got 'best'",
  );
});

test('init: step sizes log-uniform, C of variance 1 over both parts, D normal', async () => {
  const mixer = s4d({ dModel: 400, stateDim: 8, dtMin: 0.01, dtMax: 0.5 });
  const { system } = mixer.init(key(1));
  const steps = [...(await system.logStep.data())];
  expect(Math.min(...steps)).toBeGreaterThan(Math.log(0.0099));
  expect(Math.max(...steps)).toBeLessThan(Math.log(0.501));
  const center = steps.reduce((a, b) => a + b) / 400;
  expect(Math.abs(center - Math.log(0.005) / 2)).toBeLessThan((3 * Math.log(50)) / Math.sqrt(12 * 400));
  for (const [x, variance] of [
    [system.C.re, 0.5],
    [system.C.im, 0.5],
    [system.D, 1],
  ] as const) {
    const got = await x.square().mean().item();
    expect(Math.abs(got / variance - 1)).toBeLessThan(4 * Math.sqrt(2 / x.size));
  }
  expect(mixer.noDecay).toContain('system.logReal');
});
