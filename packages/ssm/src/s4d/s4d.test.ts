import { conformance } from '@seq/testing';
import { s4d, s4dScan } from './index.js';
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
