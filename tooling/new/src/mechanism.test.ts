import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rooms } from '@seq-tooling/check/room';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMechanism } from './mechanism.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const copy = join(root, 'tooling/new/.cache/repository');

/** A copy of the room that holds the template; everything else is the repository's own. */
beforeAll(() => {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, 'packages'), { recursive: true });
  cpSync(join(root, 'packages/rnn'), join(copy, 'packages/rnn'), {
    recursive: true,
    filter: (path) => !/[/\\](node_modules|dist|\.cache|\.turbo)$/.test(path),
  });
  symlinkSync(join(root, 'packages/rnn/node_modules'), join(copy, 'packages/rnn/node_modules'));
  symlinkSync(join(root, 'tooling'), join(copy, 'tooling'));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe('pnpm new mechanism', () => {
  test('refuses what is no place for a mechanism', () => {
    for (const place of ['rnn', 'rnn/', '/x', 'rnn/x/y', 'rnn/Big', 'rnn/x_y', 'rnn/2x', 'rnn/-x']) {
      expect(() => newMechanism(copy, place), place).toThrow(`got "${place}"`);
    }
    expect(() => newMechanism(copy, 'nowhere/x')).toThrow('there is no room "nowhere"; rooms are rnn');
    expect(() => newMechanism(copy, 'rnn/ema')).toThrow('packages/rnn/src/ema exists');
    expect(() => newMechanism(copy, 'rnn/internal')).toThrow('"internal"');
  });

  test('creates a mechanism of the right shape in which nothing of the template is left', () => {
    const before = rooms(copy);
    const written = newMechanism(copy, 'rnn/slow-mean');
    expect(rooms(copy)).toEqual(before);
    expect(written).toContain('packages/rnn/src/slow-mean/slow-mean.test.ts');
    expect(readdirSync(join(copy, 'packages/rnn/src/slow-mean')).length).toBe(
      readdirSync(join(copy, 'packages/rnn/src/ema')).length,
    );
    for (const file of written.filter((name) => name.startsWith('packages/rnn/src/slow-mean'))) {
      expect(readFileSync(join(copy, file), 'utf8'), file).not.toMatch(/(?<![a-z])(ema|Ema|EMA)(?![a-z])/);
    }
    expect(readFileSync(join(copy, 'packages/rnn/src/index.ts'), 'utf8')).toMatch(
      /'\.\/slow-mean\/index\.js';\n$/,
    );
  });

  test('what it creates type-checks and passes its own tests', { timeout: 300_000 }, () => {
    const tsc = join(root, 'node_modules/typescript-7/bin/tsc');
    const types = spawnSync(process.execPath, [tsc, '-p', join(copy, 'packages/rnn')], { encoding: 'utf8' });
    expect(types.stdout + types.stderr).toBe('');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const args = [
      'run',
      '--root',
      copy,
      '--config',
      join(root, 'vitest.config.ts'),
      'packages/rnn/src/slow-mean',
    ];
    const env = { ...process.env, npm_lifecycle_event: '', NO_COLOR: '1' };
    const tests = spawnSync(process.execPath, [vitest, ...args], { encoding: 'utf8', cwd: copy, env });
    expect(tests.status, tests.stdout + tests.stderr).toBe(0);
    expect(tests.stdout).toMatch(/Tests\s+\d+ passed/);
  });
});
