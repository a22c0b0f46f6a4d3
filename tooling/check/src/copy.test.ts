import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { copyRepository, filesOf } from './copy.js';
import { withFiles } from './fixture.js';

const git = (folder: string, ...args: string[]): string =>
  spawnSync('git', args, { cwd: folder, encoding: 'utf8' }).stdout.trim();

test('a copy has what is tracked and what is new, not what is ignored or deleted', async () => {
  await withFiles(
    {
      '.gitignore': 'dist/\n',
      'a/tracked.ts': 'one',
      'a/gone.ts': 'two',
      'a/dist/built.js': 'three',
      'new file.ts': 'four',
    },
    (root) => {
      git(root, 'init', '--quiet');
      git(root, 'add', '.gitignore', 'a');
      rmSync(join(root, 'a/gone.ts'));
      const files = ['.gitignore', 'a/tracked.ts', 'new file.ts'];
      expect(filesOf(root).sort()).toEqual(files);
      const copy = copyRepository(root);
      try {
        expect(filesOf(copy.folder).sort()).toEqual(files);
        expect(readFileSync(join(copy.folder, 'new file.ts'), 'utf8')).toBe('four');
        expect(git(copy.folder, 'status', '--porcelain')).toBe('');
        expect(git(copy.folder, 'rev-list', '--count', 'HEAD')).toBe('1');
      } finally {
        copy.remove();
      }
    },
  );
});

test('a folder without git says so', async () => {
  await withFiles({ 'a.ts': '' }, (root) => {
    expect(() => filesOf(root)).toThrow(/git ls-files in .* failed/);
  });
});
