import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rooms } from '@seq-tooling/check/room';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMechanism } from './mechanism.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const copy = join(root, 'tooling/new/.cache/repository');

/** A copy of the room that holds the template. What is made of it is run by `pnpm new:test`. */
beforeAll(() => {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, 'packages'), { recursive: true });
  cpSync(join(root, 'packages/rnn'), join(copy, 'packages/rnn'), {
    recursive: true,
    filter: (path) => !/[/\\](node_modules|dist|\.cache|\.turbo)$/.test(path),
  });
  for (const file of ['package.json', 'src/states.ts'])
    cpSync(join(root, 'tooling/staircase', file), join(copy, 'tooling/staircase', file));
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
});
