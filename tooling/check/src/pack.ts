import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mapLimited, run } from './tool.js';
import { workspaces } from './workspace.js';
import type { Workspace } from './workspace.js';

/** One package as npm would publish it. */
export interface Packed {
  workspace: Workspace;
  tarball: string;
}

/** The packages that npm would publish, in alphabetical order. */
export function publishable(root: string): Workspace[] {
  return workspaces(root).filter(({ group, manifest }) => group === 'packages' && manifest.private !== true);
}

/** Packs packages from their dist into a folder, which is emptied before. */
export function pack(root: string, folder: string, packages: readonly Workspace[]): Promise<Packed[]> {
  rmSync(folder, { recursive: true, force: true });
  return mapLimited(packages, 2, async (workspace) => {
    const target = join(folder, workspace.id);
    mkdirSync(target, { recursive: true });
    const result = await run('pnpm', ['pack', '--pack-destination', target], join(root, workspace.path));
    const file = readdirSync(target).find((name) => name.endsWith('.tgz'));
    if (result.code !== 0 || !file)
      throw new Error(`pnpm pack in ${workspace.path} failed: ${result.output}`);
    return { workspace, tarball: join(target, file) };
  });
}
