import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { vanishingReport } from './report.js';
import type { VanishingResults } from './types.js';

const results: VanishingResults = {
  version: 1,
  settings: {
    seed: 4,
    distance: 3,
    hidden: 8,
    draws: 2,
    length: 12,
    steps: 50,
    repeat: 'seq-lab vanishing --out a<b',
  },
  decay: [
    {
      name: 'a',
      title: 'Model <A>',
      logNorm: [-0.5, -1, null],
      fitFrom: 1,
      slope: -0.5,
      spread: 0.01,
      theory: -0.48,
      kept: -0.7,
      formula: '',
    },
    {
      name: 'b',
      title: 'Model B',
      logNorm: [0, 0, 0],
      fitFrom: 1,
      slope: -1e-9,
      spread: null,
      theory: -Infinity,
      kept: null,
      formula: '',
    },
    {
      name: 'c',
      title: 'Model C',
      logNorm: [null, null, null],
      fitFrom: 1,
      slope: null,
      spread: null,
      theory: 0.1,
      kept: null,
      formula: '',
    },
  ],
  remedies: [
    {
      name: 'x',
      title: 'Remedy X',
      remedy: 'clipping',
      clip: 1,
      params: 1234,
      curve: [{ step: 1, loss: 0.2 }],
      test: 0.0123,
      largestGradient: 940,
      seconds: 3.2,
    },
    {
      name: 'y',
      title: 'Remedy Y',
      remedy: 'none',
      clip: null,
      params: 1234,
      curve: [],
      test: null,
      largestGradient: null,
      seconds: 1,
    },
  ],
  baseline: 1 / 6,
  seconds: 61,
};
const html = vanishingReport(results);
const scripts = [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map((match) => match[1]);

describe('the page of vanishing', () => {
  it('shows slopes, theories, errors and how to repeat it as plain HTML', () => {
    for (const part of [
      '<td>Model &lt;A&gt;</td><td>−0.500</td><td>0.010</td><td>−0.480</td><td>−0.700</td><td>1.4 steps</td>',
      '<td>Model B</td><td>0.000</td><td>–</td><td>–</td><td></td><td>hardly ever</td>',
      '<td>Model C</td><td>–</td><td>–</td><td>0.100</td><td></td><td>–</td>',
      '<td>1,234</td><td>0.012</td><td>9.4e2, clipped at 1</td>',
      '<td>no number</td><td>no number</td>',
      'seq-lab vanishing --out a&lt;b',
      '0.167',
    ])
      expect(html).toContain(part);
  });

  it('carries the curves, and scripts that parse', () => {
    expect(scripts).toHaveLength(3);
    for (const script of scripts.slice(1)) expect(() => new Script(script)).not.toThrow();
    const data = JSON.parse(scripts[0]) as {
      decay: { logNorm: unknown; theory: unknown }[];
      distance: number;
    };
    expect(data.decay[0].logNorm).toEqual([-0.5, -1, null]);
    expect(data.decay[1].theory).toBeNull();
    expect(data.distance).toBe(3);
  });
});
