import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withFiles } from './fixture.js';
import { importsOf, packageOf } from './imports.js';

test('every way to name a module is seen, with its line and kind', async () => {
  const text = [
    `import a from 'a';`,
    `import type { B } from 'b';`,
    `import { type C } from 'c';`,
    `export * from 'd';`,
    `export type { E } from 'e';`,
    `type F = import('f').F;`,
    `const g = () => import('g');`,
    `import 'h';`,
    `// import 'i';`,
    `const j = "import 'j'";`,
  ].join('\n');
  const found = await withFiles({ 'x.ts': text }, (root) => importsOf(join(root, 'x.ts')));
  expect(found.map(({ specifier, line }) => `${specifier}${line}`)).toEqual([
    'a1',
    'b2',
    'c3',
    'd4',
    'e5',
    'f6',
    'g7',
    'h8',
  ]);
  expect(found.filter((item) => item.typeOnly).map((item) => item.specifier)).toEqual(['b', 'e', 'f']);
  expect(found.filter((item) => item.dynamic).map((item) => item.specifier)).toEqual(['g']);
});

test('a specifier belongs to its package', () => {
  expect(packageOf('@seq/rnn/ema')).toBe('@seq/rnn');
  expect(packageOf('lodash/fp')).toBe('lodash');
  expect(packageOf('./x.js')).toBeUndefined();
  expect(packageOf('node:fs')).toBeUndefined();
});
