import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Workspace } from '@seq-tooling/check/workspace';
import { expect, test } from 'vitest';
import { strangers } from './alone.js';
import { compile, entryPoints, resolutions, writeConsumer } from './consumer.js';
import { runExamples } from './examples.js';
import { cleanProject } from './project.js';
import type { Runtime } from './runtimes.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const here: Runtime = {
  name: 'this Node',
  version: process.versions.node,
  readsTypeScript: false,
  command: (file) => [process.execPath, [file]],
};

/** A project in which one packed package is installed, with two entry points. */
const manifest = {
  name: '@seq/a',
  type: 'module',
  exports: {
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
    './sub': { types: './dist/sub.d.ts', default: './dist/sub.js' },
  },
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
const example = { line: 3, code: `import { a } from '@seq/a';\nconsole.log(a);`, prints: ['1'] };

async function judge(
  change: Record<string, string>,
  ways: readonly (typeof resolutions)[number][] = ['nodenext'],
): Promise<string[]> {
  const files = {
    'index.js': 'export const a = 1;\n',
    'index.d.ts': 'export declare const a: number;\n',
    'sub.js': 'export const sub = 1;\n',
    'sub.d.ts': `export { a as sub } from './index.js';\n`,
    ...change,
  };
  const project = cleanProject();
  try {
    project.write('node_modules/@seq/a/package.json', JSON.stringify(manifest));
    for (const [file, text] of Object.entries(files)) project.write(`node_modules/@seq/a/dist/${file}`, text);
    writeConsumer(project, workspace, [example]);
    const findings: string[] = [];
    for (const resolution of ways) findings.push(...(await compile(root, project, resolution, false)));
    return [...findings, ...(await runExamples(project, here, [example]))];
  } finally {
    project.remove();
  }
}

test('a good package has no findings', async () => {
  expect(await judge({}, resolutions)).toEqual([]);
});

const cases: [title: string, change: Record<string, string>, finding: RegExp][] = [
  ['an entry that throws', { 'sub.js': 'throw new Error("broken entry");' }, /broken entry/],
  ['an entry that exports nothing', { 'sub.js': 'export {};' }, /@seq\/a\/sub exports nothing/],
  ['an import that was not packed', { 'sub.js': `export * from './gone.js';` }, /gone\.js/],
  ['a dependency that is not installed', { 'index.js': `export * from 'lodash';` }, /lodash/],
  ['a declaration that was not packed', { 'sub.d.ts': `export * from './gone.js';` }, /TS2307.*gone\.js/],
  ['types of Node in a declaration', { 'index.d.ts': 'export declare const a: Buffer;' }, /TS2\d+.*Buffer/],
  [
    'a value the README does not promise',
    { 'index.js': 'export const a = 2;' },
    /promises "1" but printed:\n2/,
  ],
];
for (const [title, change, finding] of cases) {
  test(title, async () => expect((await judge(change)).join('\n')).toMatch(finding));
}

test('entry points are the published exports', () => {
  expect(entryPoints(workspace)).toEqual(['@seq/a', '@seq/a/sub']);
});

test('node_modules holds what was asked for and nothing else', () => {
  expect(strangers(['@seq/a', '@seq/b'], ['@seq/b', '@seq/a'], [])).toEqual([]);
  expect(strangers(['@seq/a', 'chalk'], ['@seq/a'], [])).toEqual([
    'node_modules holds @seq/a, chalk instead of @seq/a',
  ]);
  expect(strangers(['@seq/a'], ['@seq/a', '@seq/b'], []).join()).toMatch(/instead of @seq\/a, @seq\/b/);
  // A library of others may bring others; packages of ours may not come along with it.
  expect(strangers(['@seq/a', 'chalk', 'vitest'], ['@seq/a'], ['vitest'])).toEqual([]);
  expect(strangers(['@seq/a', '@seq/b', 'vitest'], ['@seq/a'], ['vitest']).join()).toMatch(
    /holds @seq\/a, @seq\/b/,
  );
  expect(strangers(['@seq/a'], ['@seq/a'], ['vitest']).join()).toMatch(/instead of @seq\/a, vitest/);
});
