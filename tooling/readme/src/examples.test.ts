import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'node:util';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { examplesOf, missingPrint, moduleOf } from './examples.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const folder = join(root, 'tooling/readme/.cache/examples');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const readmes = [
  'README.md',
  'packages/*/README.md',
  'packages/*/src/*/README.md',
  'apps/*/README.md',
  'docs/*.md',
]
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .map((file) => file.split(sep).join('/'))
  .sort();

const cwd = process.cwd();
const scratch = mkdtempSync(join(tmpdir(), 'seq-readme-'));
afterAll(() => {
  process.chdir(cwd);
  rmSync(scratch, { recursive: true, force: true });
});

describe('README examples', () => {
  for (const readme of readmes) {
    for (const example of examplesOf(readFileSync(join(root, readme), 'utf8'))) {
      const file = join(folder, `${readme.replaceAll('/', '.')}.${example.line}.ts`);
      writeFileSync(file, moduleOf(example));
      test(`${readme}:${example.line} runs`, { timeout: 120_000 }, async () => {
        const printed: string[] = [];
        process.chdir(scratch);
        const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
          printed.push(...format(...values).split('\n'));
        });
        try {
          await import(/* @vite-ignore */ file);
        } finally {
          log.mockRestore();
          process.chdir(cwd);
        }
        expect(
          missingPrint(example.prints, printed),
          `promised by "// →" but not printed in ${printed.join(' ⏎ ')}`,
        ).toBeUndefined();
      });
    }
  }

  test('type-check', { timeout: 120_000 }, () => {
    const config = {
      extends: '../../../config/tsconfig.app.json',
      include: ['*.ts', '../../../config/assets.d.ts'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(root, 'node_modules/typescript-7/bin/tsc');
    const result = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8', cwd: folder });
    expect(result.stdout + result.stderr).toBe('');
  });
});
