import { expect, test } from 'vitest';
import { docstrings } from './docstrings.js';
import { withFiles } from './fixture.js';

const manifest = {
  name: '@seq/a',
  exports: { '.': './src/index.ts', './sub': './src/sub/index.ts', './package.json': './package.json' },
};
const findings = (files: Record<string, string>): Promise<string[]> =>
  withFiles({ 'packages/a/package.json': manifest, ...files }, docstrings);

test('what is published needs a docstring, what stays inside does not', async () => {
  const x = [
    '/** Doc. */\nexport function a(): void {}',
    'export function b(): void {}',
    'export const c = 1;',
    'export class D {}',
    'export interface E {}',
    'export type F = 1;',
    '// no docstring\nexport const g = 1;',
    'export const inside = 1;',
    'const local = 1;\nvoid local;',
  ].join('\n');
  const index = `export { a, b, c as renamed, D } from './x.js';\nexport type { E, F } from './x.js';\nexport { g } from './x.js';\n`;
  const names = (await findings({ 'packages/a/src/x.ts': x, 'packages/a/src/index.ts': index })).map(
    (line) => line.split(' ')[1],
  );
  expect(names).toEqual(['b', 'c', 'D', 'E', 'F', 'g']);
});

test('re-exports are followed, subpath exports are entries too, nothing is said twice', async () => {
  expect(
    await findings({
      'packages/a/src/index.ts': `export * from './sub/index.js';`,
      'packages/a/src/sub/index.ts': `export { x } from './x.js';`,
      'packages/a/src/sub/x.ts': '\nexport const x = 1;\nexport const y = 1;',
    }),
  ).toEqual(['packages/a/src/sub/x.ts:2: x has no docstring']);
});

test('overloads share the docstring of the first', async () => {
  const x =
    '/** Doc. */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;\nexport function f(a: number): number { return a; }';
  expect(await findings({ 'packages/a/src/index.ts': x })).toEqual([]);
});

test('apps and tooling publish nothing', async () => {
  expect(
    await findings({
      'packages/a/src/index.ts': '',
      'apps/b/package.json': '{"name":"b"}',
      'apps/b/src/index.ts': 'export const x = 1;',
    }),
  ).toEqual([]);
});
