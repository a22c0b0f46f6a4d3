import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finding, mapLimited, run, tool } from './tool.js';
import { workspaces } from './workspace.js';
import type { Workspace } from './workspace.js';

/** One package as npm would publish it. */
interface Packed {
  workspace: Workspace;
  tarball: string;
}

let packing: Promise<Packed[]> | undefined;

/** Packs every package once per run, from dist, into .cache/packed. */
function pack(root: string): Promise<Packed[]> {
  packing ??= (async () => {
    const folder = join(root, '.cache', 'packed');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const packages = workspaces(root).filter((workspace) => workspace.group === 'packages');
    return mapLimited(packages, 2, async (workspace) => {
      const target = join(folder, workspace.id);
      mkdirSync(target);
      const result = await run('pnpm', ['pack', '--pack-destination', target], join(root, workspace.path));
      const file = readdirSync(target).find((name) => name.endsWith('.tgz'));
      if (result.code !== 0 || !file)
        throw new Error(`pnpm pack in ${workspace.path} failed: ${result.output}`);
      return { workspace, tarball: join(target, file) };
    });
  })();
  return packing;
}

/** Lints the packed packages. */
export async function publint(root: string): Promise<string[]> {
  const results = await mapLimited(await pack(root), 2, ({ tarball }) =>
    tool(root, 'publint', ['run', tarball, '--strict']),
  );
  return results.flatMap(finding);
}

/** Resolves the types of the packed packages as their users would. */
export async function attw(root: string): Promise<string[]> {
  const results = await mapLimited(await pack(root), 2, ({ tarball }) =>
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

/** The entry points a published package promises. */
function entryPoints({ manifest }: Workspace): string[] {
  return Object.keys(manifest.publishConfig?.exports ?? {})
    .filter((key) => key !== './package.json')
    .map((key) => manifest.name + key.slice(1));
}

/**
 * Installs the packed packages into an empty project outside the repository, imports every entry point (with the
 * tools' Node and with the host's) and type-checks them without skipLibCheck, Node's types or @webgpu/types.
 */
export async function cleanProject(root: string): Promise<string[]> {
  const packed = await pack(root);
  const project = mkdtempSync(join(tmpdir(), 'seq-packed-'));
  try {
    write(project, 'package.json', JSON.stringify({ private: true, type: 'module' }));
    const install = [
      'install',
      '--offline',
      '--no-audit',
      '--no-fund',
      '--legacy-peer-deps',
      ...packed.map((item) => item.tarball),
    ];
    const installed = await run('npm', install, project);
    if (installed.code !== 0) return [`npm install of the packed packages failed:\n${installed.output}`];
    // Vitest is a peer of the laws; the project borrows the repository's.
    symlinkSync(join(root, 'node_modules', 'vitest'), join(project, 'node_modules', 'vitest'));
    const all = packed.map((item) => item.workspace);
    return [...(await importAll(project, all)), ...(await typecheckAll(root, project, all))];
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

/** Imports every entry point of the packages that are installed in a project. */
export async function importAll(project: string, all: readonly Workspace[]): Promise<string[]> {
  const entries = all.filter((workspace) => !needsVitest(workspace)).flatMap(entryPoints);
  const lines = entries.map(
    (entry) =>
      `if (Object.keys(await import('${entry}')).length === 0) throw new Error('${entry} exports nothing');`,
  );
  write(project, 'import.js', lines.join('\n'));
  const nodes = new Set([process.execPath, process.env['SEQ_HOST_NODE'] ?? process.execPath]);
  const results = await mapLimited([...nodes], 2, (node) => run(node, ['import.js'], project));
  return results.flatMap(finding);
}

/** Type-checks every entry point of the packages that are installed in a project. */
export async function typecheckAll(
  root: string,
  project: string,
  all: readonly Workspace[],
): Promise<string[]> {
  const options = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    lib: ['es2023', 'dom'],
    module: 'nodenext',
    types: [],
  };
  const consumer = (workspaces: readonly Workspace[]): string =>
    workspaces
      .flatMap(entryPoints)
      .map((entry, index) => `import * as e${index} from '${entry}';\nvoid e${index};\n`)
      .join('');
  write(project, 'strict/use.ts', consumer(all.filter((workspace) => !needsVitest(workspace))));
  write(
    project,
    'strict/tsconfig.json',
    JSON.stringify({ compilerOptions: { ...options, skipLibCheck: false } }),
  );
  // Vitest's own declarations want the types of Node, so its dependants are checked without looking into libraries.
  write(project, 'vitest/use.ts', consumer(all.filter(needsVitest)));
  write(
    project,
    'vitest/tsconfig.json',
    JSON.stringify({ compilerOptions: { ...options, skipLibCheck: true } }),
  );
  const results = await mapLimited(['strict', 'vitest'], 2, (name) =>
    tool(root, 'typescript-7', ['-p', join(project, name)], project, 'tsc'),
  );
  return results.flatMap(finding);
}

function needsVitest({ manifest }: Workspace): boolean {
  return manifest.peerDependencies?.['vitest'] !== undefined;
}

function write(folder: string, file: string, text: string): void {
  mkdirSync(join(folder, file, '..'), { recursive: true });
  writeFileSync(join(folder, file), text);
}
