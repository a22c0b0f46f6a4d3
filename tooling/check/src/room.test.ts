import { expect, test } from 'vitest';
import { goodRepository, roomManifest, withFiles } from './fixture.js';
import type { Files } from './fixture.js';
import { rooms } from './room.js';

function findings(change: Files, without: string[] = []): Promise<string[]> {
  const files = { ...goodRepository(), ...change };
  for (const file of without) delete files[file];
  return withFiles(files, rooms);
}

test('two rooms of the right shape have no findings', async () => {
  expect(await findings({})).toEqual([]);
});

const ema = 'packages/rnn/src/ema';
for (const file of ['README.md', 'index.ts', 'naive.ts', 'ema.test.ts', 'ema.bench.ts']) {
  test(`a mechanism without ${file}`, async () => {
    expect(await findings({}, [`${ema}/${file}`])).toEqual([`${ema}: ${file} is missing`]);
  });
}

test('a mechanism with neither op nor mixer', async () => {
  expect(await findings({}, [`${ema}/mixer.ts`])).toEqual([`${ema}: has neither op.ts nor mixer.ts`]);
});

test('an op without a mixer is enough', async () => {
  expect(await findings({ [`${ema}/op.ts`]: 'export {};' }, [`${ema}/mixer.ts`])).toEqual([]);
});

test('a definition that imports something, even a type', async () => {
  expect(await findings({ [`${ema}/naive.ts`]: `import type { T } from './op.js';\n` })).toEqual([
    `${ema}/naive.ts:1: the definition imports nothing, found "./op.js"`,
  ]);
});

test('code in an index', async () => {
  const text = `export * from './ema/index.js';\nexport const x = 1;\n`;
  expect((await findings({ 'packages/rnn/src/index.ts': text })).join()).toMatch(
    /src\/index\.ts:2: only re-exports/,
  );
  expect((await findings({ [`${ema}/index.ts`]: `export {};\n` })).join()).toMatch(
    /ema\/index\.ts:1: only re-exports/,
  );
});

test('a mechanism the room does not re-export', async () => {
  expect(await findings({ 'packages/rnn/src/index.ts': `export * from './gru.js';\n` })).toEqual([
    'packages/rnn: src/index.ts does not re-export ./ema/index.js',
  ]);
});

test('a room without README, without region, with a region left open', async () => {
  expect(await findings({}, ['packages/rnn/README.md'])).toEqual(['packages/rnn: README.md is missing']);
  for (const text of [
    '# Room',
    '<!-- generated:mechanisms -->',
    '<!-- /generated --><!-- generated:mechanisms -->',
  ]) {
    expect((await findings({ 'packages/rnn/README.md': text })).join()).toMatch(/lacks the region/);
  }
});

const manifest = roomManifest('rnn', 'ema');
const manifestCases: [title: string, change: object, finding: RegExp][] = [
  ['side effects', { sideEffects: true }, /"sideEffects": false/],
  ['side effects left unsaid', { sideEffects: undefined }, /"sideEffects": false/],
  ['no tensor peer', { peerDependencies: {} }, /@seq\/tensor must be a peerDependency/],
  ['no subpath export', { exports: { '.': './src/index.ts' } }, /exports\["\.\/ema"\] must be/],
  ['a wrong subpath export', { exports: { './ema': './src/ema/mixer.ts' } }, /exports\["\.\/ema"\] must be/],
  ['a subpath that is not published', { publishConfig: {} }, /publishConfig\.exports\["\.\/ema"\]/],
  [
    'an export without folder',
    { exports: { ...(manifest['exports'] as object), './gru': './src/gru/index.ts' } },
    /src\/gru\/ does not exist/,
  ],
];
for (const [title, change, finding] of manifestCases) {
  test(`package.json: ${title}`, async () => {
    expect((await findings({ 'packages/rnn/package.json': { ...manifest, ...change } })).join('\n')).toMatch(
      finding,
    );
  });
}

test('a kind claimed twice', async () => {
  const mixer = `export const mixer = { kind: 'seq/ema' };\n`;
  expect(await findings({ 'packages/conv/src/bigram/mixer.ts': mixer })).toEqual([
    `packages/rnn/src/ema/mixer.ts: kind 'seq/ema' belongs to packages/conv/src/bigram`,
  ]);
});

test('a mixer without kind', async () => {
  expect((await findings({ [`${ema}/mixer.ts`]: 'export const mixer = 1;' })).join()).toMatch(
    /expected one spec kind/,
  );
});

test('a room without mechanism', async () => {
  const files = Object.fromEntries(
    Object.entries(goodRepository()).filter(([file]) => !file.startsWith(ema)),
  );
  expect((await withFiles(files, rooms)).join()).toMatch(/packages\/rnn: has no mechanism folder/);
});
