import { expect, test } from 'vitest';
import { direction } from './direction.js';
import { goodRepository, roomManifest, withFiles } from './fixture.js';
import type { Files } from './fixture.js';

const findings = (change: Files): Promise<string[]> =>
  withFiles({ ...goodRepository(), ...change }, direction);

test('a repository that obeys the graph has no findings', async () => {
  expect(await findings({})).toEqual([]);
});

const importCases: [title: string, file: string, text: string, finding: RegExp][] = [
  [
    'a room imports a room',
    'packages/rnn/src/ema/mixer.ts',
    `import '@seq/conv';`,
    /mixer\.ts:1: .*rooms never import rooms/,
  ],
  [
    'types count too',
    'packages/rnn/src/ema/mixer.ts',
    `\nimport type { X } from '@seq/conv';`,
    /mixer\.ts:2: .*rooms never/,
  ],
  [
    'import types count too',
    'packages/rnn/src/ema/op.ts',
    `export type A = import('@seq/conv').X;`,
    /op\.ts:1: .*rooms never/,
  ],
  [
    'a subpath of a room',
    'packages/rnn/src/ema/op.ts',
    `export * from '@seq/conv/bigram';`,
    /rooms never import rooms/,
  ],
  [
    'tests are no exception',
    'packages/rnn/src/ema/ema.test.ts',
    `import '@seq/conv';`,
    /rooms never import rooms/,
  ],
  [
    'tensor imports nn',
    'packages/tensor/src/index.ts',
    `import '@seq/nn';`,
    /@seq\/tensor lies not above @seq\/nn; it may import nothing/,
  ],
  [
    'nn tests import the laws',
    'packages/nn/src/nn.test.ts',
    `import '@seq/testing';`,
    /@seq\/nn lies not above @seq\/testing/,
  ],
  [
    'the laws import a room',
    'packages/testing/src/index.ts',
    `import '@seq/rnn';`,
    /@seq\/testing lies not above @seq\/rnn/,
  ],
  [
    'sources import the laws',
    'packages/rnn/src/ema/mixer.ts',
    `import '@seq/testing';`,
    /only its tests import @seq\/testing/,
  ],
  [
    'a room imports lm',
    'packages/rnn/src/ema/mixer.ts',
    `import '@seq/lm';`,
    /@seq\/rnn lies not above @seq\/lm/,
  ],
  ['a package imports an app', 'packages/lm/src/index.ts', `import 'seq-lab';`, /nothing imports an app/],
  [
    'a tool imports an app by path',
    'tooling/readme/src/run.ts',
    `import '../../../apps/lab/src/cli.js';`,
    /nothing imports an app/,
  ],
  [
    'a dynamic import',
    'packages/lm/src/index.ts',
    `export const x = () => import('seq-lab');`,
    /nothing imports an app/,
  ],
  [
    'a package imports tooling',
    'packages/lm/src/index.ts',
    `import '@seq-tooling/readme';`,
    /packages do not import tooling/,
  ],
  [
    'a relative import leaves the package',
    'packages/lm/src/index.ts',
    `import '../../rnn/src/index.js';`,
    /leaves packages\/lm/,
  ],
  ['Node in a package', 'packages/rnn/src/ema/mixer.ts', `import 'node:fs';`, /packages run everywhere/],
  ['an unlisted library', 'packages/lm/src/index.ts', `import 'lodash/fp';`, /"lodash" is not listed/],
  [
    'an unlisted library in an app',
    'apps/lab/src/cli.ts',
    `import 'chalk';`,
    /"chalk" is not listed in apps\/lab/,
  ],
  [
    'a devDependency in the sources',
    'packages/lm/src/index.ts',
    `import '@seq/rnn';`,
    /"@seq\/rnn" is not listed/,
  ],
];
for (const [title, file, text, finding] of importCases) {
  test(`imports: ${title}`, async () => {
    expect((await findings({ [file]: text })).join('\n')).toMatch(finding);
  });
}

test('a file called node.ts may import Node', async () => {
  expect(await findings({ 'packages/lm/src/node.ts': `import 'node:fs';` })).toEqual([]);
});

const room = roomManifest('rnn', 'ema');
const manifestCases: [title: string, manifest: object, finding: RegExp][] = [
  [
    'a room as devDependency',
    { devDependencies: { ...(room['devDependencies'] as object), '@seq/conv': 'workspace:*' } },
    /devDependencies has "@seq\/conv": rooms never/,
  ],
  ['tensor as dependency', { dependencies: { '@seq/tensor': 'workspace:*' } }, /packages of Seq are peers/],
  ['a third-party dependency', { dependencies: { lodash: '4.0.0' } }, /no third-party run-time dependencies/],
  [
    'a peer pinned too tightly',
    { peerDependencies: { '@seq/nn': 'workspace:*', '@seq/tensor': 'workspace:^' } },
    /"workspace:\*", expected "workspace:\^"/,
  ],
  [
    'a peer without its devDependency',
    { devDependencies: {} },
    /peer "@seq\/nn" is missing in devDependencies/,
  ],
  [
    'no tensor among the peers',
    { peerDependencies: { '@seq/nn': 'workspace:^' } },
    /@seq\/tensor must be a peerDependency/,
  ],
  [
    'the laws as a peer',
    { peerDependencies: { ...(room['peerDependencies'] as object), '@seq/testing': 'workspace:^' } },
    /only its tests import @seq\/testing/,
  ],
];
for (const [title, change, finding] of manifestCases) {
  test(`package.json: ${title}`, async () => {
    expect((await findings({ 'packages/rnn/package.json': { ...room, ...change } })).join('\n')).toMatch(
      finding,
    );
  });
}

test('package.json: tooling that depends on an app', async () => {
  const manifest = { name: '@seq-tooling/readme', devDependencies: { 'seq-lab': 'workspace:*' } };
  expect((await findings({ 'tooling/readme/package.json': manifest })).join('\n')).toMatch(
    /nothing imports an app/,
  );
});
