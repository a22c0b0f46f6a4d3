import { expect, test } from 'vitest';
import { compareDrawn, families } from './testkit/shapes.js';

/** Shapes drawn for each family. */
const count = 2;

test.each(Object.entries(families))(
  '%s: values and gradients at shapes drawn at random',
  async (_, family) => {
    const before = expect.getState().assertionCalls;
    for (let seed = 1; seed <= count; seed++) await compareDrawn(family, seed);
    expect(expect.getState().assertionCalls - before).toBeGreaterThan(count);
  },
  120_000,
);
