import { join } from 'node:path';
import { pack, publishable } from './pack.js';
import type { Packed } from './pack.js';
import { finding, mapLimited, tool } from './tool.js';

let packing: Promise<Packed[]> | undefined;

/** Packs every package once per run, for both checks. */
function packedOnce(root: string): Promise<Packed[]> {
  packing ??= pack(root, join(root, '.cache', 'check'), publishable(root));
  return packing;
}

/** Lints the packed packages. */
export async function publint(root: string): Promise<string[]> {
  const results = await mapLimited(await packedOnce(root), 2, ({ tarball }) =>
    tool(root, 'publint', ['run', tarball, '--strict']),
  );
  return results.flatMap(finding);
}

/** Resolves the types of the packed packages as their users would. */
export async function attw(root: string): Promise<string[]> {
  const results = await mapLimited(await packedOnce(root), 2, ({ tarball }) =>
    tool(
      root,
      '@arethetypeswrong/cli',
      [tarball, '--profile', 'esm-only', '--no-definitely-typed', '--no-emoji', '--no-color', '-f', 'ascii'],
      root,
      'attw',
    ),
  );
  return results.flatMap(finding);
}
