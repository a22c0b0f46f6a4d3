import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from './tool.js';
import type { ToolResult } from './tool.js';

/** A copy of the repository in a folder of its own. */
export interface Copy {
  folder: string;
  /** Runs a command of the house there, which first installs what is missing: `command('check', 'types')`. */
  command(name: string, ...args: string[]): Promise<ToolResult>;
  remove(): void;
}

/**
 * Copies the work tree as a clean clone would have it (what git tracks, and new files that it does not ignore) into a
 * folder outside the repository and commits it there. Builds and tests that are cached here are cached there too.
 *
 * @throws Error  when git is missing or `root` is no work tree
 */
export function copyRepository(root: string): Copy {
  const folder = mkdtempSync(join(tmpdir(), 'seq-copy-'));
  for (const file of filesOf(root)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file));
  }
  git(folder, 'init', '--quiet', '--initial-branch=main');
  git(folder, 'add', '--all');
  const who = ['-c', 'user.name=copy', '-c', 'user.email=copy@localhost', '-c', 'commit.gpgsign=false'];
  git(folder, ...who, 'commit', '--quiet', '--message', 'copy');
  const env = { CI: 'true', TURBO_CACHE_DIR: join(root, '.turbo', 'cache'), INIT_CWD: folder };
  return {
    folder,
    command: (name, ...args) =>
      run(process.execPath, [join(folder, 'tooling/bootstrap/run.mjs'), name, ...args], folder, env),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The files of the work tree that a clone would have, as paths from the root. */
export function filesOf(root: string): string[] {
  const listed = git(root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0');
  return [...new Set(listed)].filter((file) => {
    const path = join(root, file);
    return file !== '' && existsSync(path) && lstatSync(path).isFile();
  });
}

function git(folder: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('git', args, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`git ${args[0]} in ${folder} failed: ${error?.message ?? stderr}`);
  return stdout;
}
