import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@seq-tooling/check/tool';

const source = join(dirname(fileURLToPath(import.meta.url)), '..', 'fetched');

/**
 * Installs the tools of `fetched/package.json` (runtimes, a registry) into `.cache/fetched`, at the versions and with the
 * checksums of its lockfile. They are large and only these proofs need them, so an installation of the repository leaves
 * them out. Done once; again when the lockfile changes.
 *
 * @returns the folder that holds their node_modules, or why they could not be had
 */
export async function fetchTools(root: string): Promise<{ folder: string } | { missing: string }> {
  const folder = join(root, '.cache', 'fetched');
  const lock = createHash('sha256')
    .update(readFileSync(join(source, 'package-lock.json')))
    .digest('hex');
  const stamp = join(folder, 'installed.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return { folder };
  console.log('fetching runtimes and a registry from npm (once) …');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(source, file), join(folder, file));
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { code, output } = await run('npm', args, folder);
  if (code !== 0) return { missing: `npm could not fetch it (${output.split('\n')[0]})` };
  writeFileSync(stamp, lock);
  return { folder };
}
