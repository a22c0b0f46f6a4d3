import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';

/** The fields of a package.json that the checks read. */
export interface Manifest {
  name: string;
  version?: string;
  private?: boolean;
  sideEffects?: boolean;
  scripts?: Record<string, string>;
  exports?: Record<string, unknown>;
  publishConfig?: { exports?: Record<string, unknown> };
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** One folder of packages/, apps/ or tooling/ with a package.json. */
export interface Workspace {
  group: 'packages' | 'apps' | 'tooling';
  /** Folder name: `rnn`. */
  id: string;
  /** Path from the root, with slashes: `packages/rnn`. */
  path: string;
  manifest: Manifest;
}

/** What @seq/* package a folder of packages/ is, when it is no room. */
const notRooms = new Set(['tensor', 'nn', 'testing', 'lm', 'train', 'webgpu-kernels']);

/** All workspaces under a root, in a fixed order. */
export function workspaces(root: string): Workspace[] {
  const groups = ['packages', 'apps', 'tooling'] as const;
  return groups.flatMap((group) => {
    const folder = join(root, group);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((id) => existsSync(join(folder, id, 'package.json')))
      .sort()
      .map((id) => ({ group, id, path: `${group}/${id}`, manifest: readManifest(join(folder, id)) }));
  });
}

/** Reads the package.json of a folder. */
export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** A room is a package of sequence mechanisms: any package that is no part of the frame. */
export function isRoom(workspace: Workspace): boolean {
  return workspace.group === 'packages' && !notRooms.has(workspace.id);
}

/** Paths from the root, with slashes, of a workspace's TypeScript sources. */
export function sources(root: string, workspace: Workspace): string[] {
  return globSync('{src/**/*,test/**/*,*}.{ts,mts,mjs}', { cwd: join(root, workspace.path) })
    .map((file) => `${workspace.path}/${file.split(sep).join('/')}`)
    .filter((file) => !file.endsWith('.d.ts') && !file.endsWith('.config.ts'))
    .sort();
}

/** Tests, benches and what only they use (in a folder `test` or `bites`, in `fixtures` or `testkit`). */
export function isTestFile(file: string): boolean {
  return /\.(test|bench)\.ts$|[/\\](test|fixtures|testkit|bites)([/\\.]|$)/.test(file);
}

/** A path from the root, with slashes. */
export function fromRoot(root: string, file: string): string {
  return relative(root, file).split(sep).join('/');
}

/** The mechanism folders of a room: every folder of src/ but `internal` and `wasm`. */
export function mechanismFolders(root: string, room: Workspace): string[] {
  const folder = join(root, room.path, 'src');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !['internal', 'wasm'].includes(entry.name))
    .map((entry) => basename(entry.name))
    .sort();
}
