import { expect, test } from 'vitest';
import { counts, countsOfAll, findings } from './counts.js';
import type { CountRow } from './counts.js';

/** What is above a bar; times are measured on a machine that is free. */
const above = (rows: readonly CountRow[]): string[] =>
  rows.flatMap((row) => findings(row).map((text) => `${row.model}, ${row.form}: ${text}`));

test('the compared models stay below their bars', async () => {
  const rows = await counts(0);
  expect(above(rows)).toEqual([]);
  expect(rows.filter((row) => row.bar !== null)).toHaveLength(rows.length);
  const [composed, flash] = rows.filter(
    ({ form, model }) => form === 'training step' && model.startsWith('transformer'),
  );
  expect(flash.model).toContain('flash core');
  expect(flash.dispatches).toBeLessThan(composed.dispatches);
  // The derivation is that of this transformer, in bytes.
  const [{ mustKeep }] = rows;
  expect(mustKeep?.['optimiser state']).toBe(2 * mustKeep!.parameters + 4);
});

test('every mechanism: one submission a step, no new object', async () => {
  const rows = await countsOfAll(0);
  expect(above(rows)).toEqual([]);
  expect(new Set(rows.map((row) => row.form))).toEqual(new Set(['training step', 'token']));
});

test('a row above a bar is found', () => {
  const row: CountRow = {
    model: 'm',
    form: 'token',
    device: 'webgpu',
    dispatches: 3,
    submits: 2,
    newObjects: 1,
    peakBytes: 130,
    bar: 2,
    jsMicroseconds: 9,
    mustKeep: { parameters: 60, gradients: 40 },
    plan: '',
  };
  expect(findings(row)).toEqual([
    '3 dispatches, at most 2',
    '2 submits, not 1',
    '1 new objects, not 0',
    '9.0 µs of JavaScript a dispatch, at most 8',
    'peak 1.30 of what must be kept, at most 1.25',
  ]);
  expect(
    findings({ ...row, dispatches: 2, submits: 1, newObjects: 0, peakBytes: 125, jsMicroseconds: 8 }),
  ).toEqual([]);
});
