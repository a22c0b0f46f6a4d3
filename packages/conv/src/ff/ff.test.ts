import { conformance } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { expect, test } from 'vitest';
import { gatedFf } from './gated.js';
import { ff } from './mixer.js';
import { ffNaive } from './naive.js';
import type { NaiveMap } from './naive.js';

const silu = (v: number): number => v / (1 + Math.exp(-v));

function map(params: Readonly<Record<string, HostArray>>, name: string): NaiveMap {
  const bias = params[`${name}.bias`];
  return { weight: params[`${name}.weight`].data, ...(bias && { bias: bias.data }) };
}

conformance(ff, {
  small: { dModel: 4, hidden: 6, activation: 'tanh' },
  learn: { dModel: 16 },
  naive: (params, x) =>
    ffNaive(x.data, { up: map(params, 'up'), down: map(params, 'down') }, { C: 4, F: 6, f: Math.tanh }),
});

conformance(ff, {
  name: 'ff, squared relu, no bias',
  small: { dModel: 3, hidden: 5, activation: 'reluSquared', bias: false },
  learn: { dModel: 16, activation: 'reluSquared', bias: false },
  naive: (params, x) =>
    ffNaive(
      x.data,
      { up: map(params, 'up'), down: map(params, 'down') },
      { C: 3, F: 5, f: (v) => Math.max(v, 0) ** 2 },
    ),
});

for (const bias of [false, true]) {
  conformance(gatedFf, {
    name: bias ? 'gatedFf with bias' : 'gatedFf',
    small: { dModel: 4, hidden: 6, bias },
    learn: { dModel: 16, bias },
    naive: (params, x) =>
      ffNaive(
        x.data,
        { up: map(params, 'up'), down: map(params, 'down'), gate: map(params, 'gate') },
        { C: 4, F: 6, f: silu },
      ),
  });
}

test('widths follow dModel unless told otherwise', () => {
  expect(ff({ dModel: 12 }).spec.options).toMatchObject({ hidden: 48 });
  expect(gatedFf({ dModel: 96 }).spec.options).toMatchObject({ hidden: 256 });
});

test.each([
  [() => ff({ dModel: 4, hidden: 0 }), 'ff: hidden must be a positive integer, got 0.'],
  [() => gatedFf({ dModel: 4, hidden: 1.5 }), 'gatedFf: hidden must be a positive integer, got 1.5.'],
  [() => ff({ dModel: 4, activation: 'swish' as 'silu' }), "got 'swish'."],
])('refuses %#', (run, message) => {
  expect(run).toThrow(message);
});
