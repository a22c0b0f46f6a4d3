import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { withState } from './states.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const text = readFileSync(join(root, 'tooling/staircase/src/states.ts'), 'utf8');

/** The folders of the rows, in their order. */
const folders = (table: string): string[] =>
  [...table.matchAll(/folder: '([^']+)'/g)].flatMap((match) => match[1] ?? []);

test('a row comes where its name belongs, first, in between or last', () => {
  for (const [room, name] of [
    ['attention', 'aaa'],
    ['conv', 'zzz'],
    ['zzz', 'min-gru'],
  ] as const) {
    const made = withState(text, { room, name });
    expect(folders(made)).toEqual([...folders(text), `${room}/${name}`].sort());
  }
});

test('with its factory imported beside the others, and nothing else changed', () => {
  const made = withState(text, { room: 'rnn', name: 'min-gru' });
  expect(made).toContain(`\nimport { minGru } from '@seq/rnn/min-gru';\n`);
  expect(made).toContain('    mixer: minGru({ dModel: 12 }),\n');
  const old = new Set(text.split('\n'));
  expect(made.split('\n').filter((line) => old.has(line)).length).toBeGreaterThanOrEqual(
    text.split('\n').length,
  );
});

test('a table of another shape is refused', () => {
  expect(() => withState('export const rows = [];\n', { room: 'rnn', name: 'x' })).toThrow(
    /does not have the shape/,
  );
});
