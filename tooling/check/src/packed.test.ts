import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './checks.js';
import { withFiles } from './fixture.js';
import type { Files } from './fixture.js';
import { importAll, typecheckAll } from './packed.js';
import type { Workspace } from './workspace.js';

/** A project in which one packed package is installed, with two entry points. */
const manifest = {
  name: '@seq/a',
  type: 'module',
  exports: {
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
    './sub': { types: './dist/sub.d.ts', default: './dist/sub.js' },
  },
};
const good: Files = {
  'package.json': { type: 'module' },
  'node_modules/@seq/a/package.json': manifest,
  'node_modules/@seq/a/dist/index.js': 'export const a = 1;\n',
  'node_modules/@seq/a/dist/index.d.ts': 'export declare const a: number;\n',
  'node_modules/@seq/a/dist/sub.js': 'export const sub = 1;\n',
  'node_modules/@seq/a/dist/sub.d.ts': `export { a as sub } from './index.js';\n`,
};
const workspace: Workspace = {
  group: 'packages',
  id: 'a',
  path: 'packages/a',
  manifest: {
    name: '@seq/a',
    publishConfig: { exports: { ...manifest.exports, './package.json': './package.json' } },
  },
};

const judge = (change: Files): Promise<string[]> =>
  withFiles({ ...good, ...change }, async (project) => {
    symlinkSync(join(root, 'node_modules/vitest'), join(project, 'node_modules/vitest'));
    return [...(await importAll(project, [workspace])), ...(await typecheckAll(root, project, [workspace]))];
  });

test('a good package has no findings', async () => {
  expect(await judge({})).toEqual([]);
});

const dist = 'node_modules/@seq/a/dist';
const cases: [title: string, change: Files, finding: RegExp][] = [
  ['an entry that throws', { [`${dist}/sub.js`]: 'throw new Error("broken entry");' }, /broken entry/],
  ['an entry that exports nothing', { [`${dist}/sub.js`]: 'export {};' }, /@seq\/a\/sub exports nothing/],
  ['an import that was not packed', { [`${dist}/sub.js`]: `export * from './gone.js';` }, /gone\.js/],
  ['a dependency that is not installed', { [`${dist}/index.js`]: `export * from 'lodash';` }, /lodash/],
  [
    'a declaration that was not packed',
    { [`${dist}/sub.d.ts`]: `export * from './gone.js';` },
    /TS2307.*gone\.js/,
  ],
  [
    'types of Node in a declaration',
    { [`${dist}/index.d.ts`]: 'export declare const a: Buffer;' },
    /TS2\d+.*Buffer/,
  ],
];
for (const [title, change, finding] of cases) {
  test(title, async () => expect((await judge(change)).join('\n')).toMatch(finding));
}
