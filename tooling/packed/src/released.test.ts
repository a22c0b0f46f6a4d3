import { expect, test } from 'vitest';
import { compareVersions, judgeManifest, released } from './released.js';

const before = new Map([
  ['@seq/a', '0.1.3'],
  ['@seq/b', '0.1.3'],
]);
const after = (a: string, b: string = a): { name: string; version: string }[] => [
  { name: '@seq/a', version: a },
  { name: '@seq/b', version: b },
];

test('all packages rise together', () => {
  expect(released(after('0.1.4'), before)).toEqual([]);
  expect(released(after('0.10.0'), before)).toEqual([]);
  expect(released(after('0.1.4', '0.1.3'), before).join('\n')).toMatch(
    /versions differ.*\n@seq\/b 0\.1\.3 is not higher/,
  );
  expect(released(after('0.1.3'), before).length).toBe(2);
});

test('1.0 does not come by itself, as it would with peers that move', () => {
  expect(released(after('1.0.0'), before).join()).toMatch(/from 0\.1\.3 to 1\.0\.0/);
  expect(released(after('2.0.0'), new Map(before).set('@seq/a', '1.9.0').set('@seq/b', '1.9.0'))).toEqual([]);
});

test('versions compare as numbers', () => {
  expect(compareVersions('0.10.0', '0.9.9')).toBeGreaterThan(0);
  expect(compareVersions('1.0.0', '1.0.0')).toBe(0);
  expect(compareVersions('0.0.9', '0.1.0')).toBeLessThan(0);
});

test('a published manifest speaks of versions and of dist', () => {
  const good = {
    name: '@seq/a',
    version: '0.2.0',
    exports: { '.': './dist/index.js' },
    peerDependencies: { '@seq/b': '^0.2.0', vitest: '>=5' },
  };
  expect(judgeManifest(good, '0.2.0')).toEqual([]);
  expect(judgeManifest(good, '0.3.0').join()).toMatch(/version 0\.2\.0 instead of 0\.3\.0/);
  const source = { ...good, exports: { '.': './src/index.ts' } };
  expect(judgeManifest(source, '0.2.0').join()).toMatch(/exports point to src/);
  const workspace = { ...good, devDependencies: { '@seq/c': 'workspace:*' } };
  expect(judgeManifest(workspace, '0.2.0').join()).toMatch(/still speaks of the workspace/);
  const peer = { ...good, peerDependencies: { '@seq/b': '^0.1.0' } };
  expect(judgeManifest(peer, '0.2.0').join()).toMatch(/peer @seq\/b is "\^0\.1\.0" instead of "\^0\.2\.0"/);
});
