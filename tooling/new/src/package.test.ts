import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rooms } from '@seq-tooling/check/room';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newMechanism } from './mechanism.js';
import { newPackage } from './package.js';
import type { RoomManifest } from './template.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const learners = [
  'tooling/readme/package.json',
  'tooling/packed/bundles.json',
  'tooling/staircase/package.json',
  'tooling/staircase/src/states.ts',
];
let copy: string;

/** A repository with the room that lends its shape, and the files that learn of a new one. */
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'seq-new-'));
  for (const path of ['packages/rnn', ...learners]) {
    cpSync(join(root, path), join(copy, path), {
      recursive: true,
      filter: (file) => !/[/\\](node_modules|dist|\.cache|\.turbo)$/.test(file),
    });
  }
});
afterEach(() => rmSync(copy, { recursive: true, force: true }));

const read = (file: string): string => readFileSync(join(copy, file), 'utf8');
const json = <T>(file: string): T => JSON.parse(read(file)) as T;

describe('pnpm new package', () => {
  test('refuses what is no name, and what exists', () => {
    for (const name of ['Big', 'x_y', '2x', '-x', 'a/b', ''])
      expect(() => newPackage(copy, name), name).toThrow(`got "${name}"`);
    expect(() => newPackage(copy, 'ssm', 'internal')).toThrow('got "internal"');
    expect(() => newPackage(copy, 'ssm', 'Mamba')).toThrow('got "Mamba"');
    expect(() => newPackage(copy, 'rnn')).toThrow('packages/rnn exists');
    expect(existsSync(join(copy, 'packages/ssm'))).toBe(false);
  });

  test('makes a room of the right shape', () => {
    const before = rooms(copy);
    const written = newPackage(copy, 'linear-attn', 'gated-delta');
    expect(rooms(copy)).toEqual(before);
    for (const file of written) expect(existsSync(join(copy, file)), file).toBe(true);
    expect(read('packages/linear-attn/src/index.ts')).toBe(`export * from './gated-delta/index.js';\n`);
    expect(read('packages/linear-attn/README.md')).toContain(
      `import { gatedDelta } from '@seq/linear-attn';`,
    );
  });

  test('its package.json is that of the model, but for the name and the mechanisms', () => {
    newPackage(copy, 'ssm', 'mamba');
    const model = json<RoomManifest>('packages/rnn/package.json');
    const made = json<RoomManifest>('packages/ssm/package.json');
    expect(made.name).toBe('@seq/ssm');
    expect(Object.keys(made.exports)).toEqual(['.', './mamba', './package.json']);
    expect(made.publishConfig.exports['./mamba']).toEqual({
      types: './dist/mamba/index.d.ts',
      default: './dist/mamba/index.js',
    });
    expect(made.scripts['test']).toBe('vitest run --root ../.. packages/ssm/');
    expect(JSON.stringify(made)).not.toContain('rnn');
    const its = { name: '', description: '', scripts: {}, exports: {}, publishConfig: {} };
    expect({ ...made, ...its }).toEqual({ ...model, ...its });
    expect(read('packages/ssm/tsup.config.ts')).toBe(read('packages/rnn/tsup.config.ts'));
  });

  test('the first mechanism bears the name of the room when no other is given', () => {
    newPackage(copy, 'ssm');
    expect(read('packages/ssm/src/ssm/mixer.ts')).toContain(`kind: 'seq/ssm'`);
  });

  test('those who read every package learn of it', () => {
    newPackage(copy, 'ssm', 'mamba');
    const { devDependencies } = json<{ devDependencies: Record<string, string> }>(
      'tooling/readme/package.json',
    );
    expect(devDependencies['@seq/ssm']).toBe('workspace:*');
    expect(Object.keys(devDependencies)).toEqual(Object.keys(devDependencies).sort());
    const limits = json<{ imports: Record<string, string[]> }[]>('tooling/packed/bundles.json');
    expect(limits.at(-1)?.imports).toEqual({ '@seq/ssm/mamba': ['mamba'] });
  });

  test('a mechanism can be added to it', () => {
    newPackage(copy, 'ssm', 'mamba');
    newMechanism(copy, 'ssm/s4');
    expect(read('packages/ssm/src/index.ts').split('\n')).toEqual([
      `export * from './mamba/index.js';`,
      `export * from './s4/index.js';`,
      '',
    ]);
    expect(Object.keys(json<RoomManifest>('packages/ssm/package.json').exports)).toEqual([
      '.',
      './mamba',
      './s4',
      './package.json',
    ]);
  });
});
