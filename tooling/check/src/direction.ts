import { dirname, join } from 'node:path';
import { importsOf, packageOf } from './imports.js';
import { fromRoot, isRoom, isTestFile, sources, workspaces } from './workspace.js';
import type { Workspace } from './workspace.js';

/** What each package may import from the others. `rooms` stands for every room. */
const below: Record<string, readonly string[]> = {
  tensor: [],
  nn: ['tensor'],
  testing: ['nn', 'tensor', 'webgpu-kernels'],
  room: ['nn', 'tensor'],
  lm: ['nn', 'tensor', 'rooms'],
  train: ['nn', 'tensor', 'rooms'],
  'webgpu-kernels': ['tensor'],
};

/** What only tests may import beside that: the laws, and a model to train. */
const belowTests: Record<string, readonly string[]> = {
  room: ['testing'],
  lm: ['testing'],
  train: ['testing', 'lm'],
};

/** A leaf of text and plain functions, inlined at build: owners of ops may import it though not its package. */
const leaf = '@seq/webgpu-kernels/wgsl';

/**
 * Import direction: packages import only what lies below them, rooms never each other, nothing imports apps or (in
 * packages and apps) tooling, published packages have no third-party run-time dependency. Reads sources and manifests,
 * devDependencies included.
 */
export function direction(root: string): string[] {
  const all = workspaces(root);
  const byName = new Map(all.map((workspace) => [workspace.manifest.name, workspace]));
  return all.flatMap((workspace) => [
    ...manifestFindings(workspace, byName),
    ...sourceFindings(root, workspace, byName),
  ]);
}

/** Says why `from` may not use `to`; undefined when it may. */
function refusal(from: Workspace, to: Workspace, specifier: string, inTest: boolean): string | undefined {
  if (from.path === to.path) return undefined;
  if (to.group === 'apps') return 'nothing imports an app';
  if (from.group === 'tooling') return undefined;
  if (to.group === 'tooling') return `${from.group} do not import tooling`;
  if (from.group === 'apps') return undefined;
  const layer = isRoom(from) ? 'room' : from.id;
  const allowed = below[layer] ?? [];
  if (allowed.includes(to.id) || (allowed.includes('rooms') && isRoom(to))) return undefined;
  if (belowTests[layer]?.includes(to.id)) return inTest ? undefined : `only its tests import @seq/${to.id}`;
  if (['room', 'nn', 'train'].includes(layer) && specifier === leaf) return undefined;
  if (layer === 'room' && isRoom(to))
    return 'rooms never import rooms; what they share moves down to @seq/nn or @seq/tensor';
  return `@seq/${from.id} lies not above @seq/${to.id}; it may import ${allowed.length ? allowed.join(', ') : 'nothing'}`;
}

function manifestFindings(from: Workspace, byName: Map<string, Workspace>): string[] {
  const { manifest, path } = from;
  const findings: string[] = [];
  const say = (text: string): void => void findings.push(`${path}/package.json: ${text}`);
  for (const field of [
    'dependencies',
    'peerDependencies',
    'devDependencies',
    'optionalDependencies',
  ] as const) {
    for (const [name, range] of Object.entries(manifest[field] ?? {})) {
      const to = byName.get(name);
      if (!to) {
        if (from.group === 'packages' && (field === 'dependencies' || field === 'optionalDependencies')) {
          say(`${field} has "${name}"; packages have no third-party run-time dependencies`);
        }
        continue;
      }
      const why = refusal(from, to, name === packageOf(leaf) ? leaf : name, field === 'devDependencies');
      if (why) say(`${field} has "${name}": ${why}`);
      if (from.group !== 'packages') continue;
      const wanted = field === 'peerDependencies' ? 'workspace:^' : 'workspace:*';
      if (field === 'dependencies')
        say(
          `"${name}" is a dependency; packages of Seq are peers (workspace:^) and devDependencies (workspace:*)`,
        );
      else if (range !== wanted) say(`${field} has "${name}": "${range}", expected "${wanted}"`);
      if (field === 'peerDependencies' && manifest.devDependencies?.[name] === undefined) {
        say(`peer "${name}" is missing in devDependencies (workspace:*)`);
      }
    }
  }
  if (
    from.group === 'packages' &&
    from.id !== 'tensor' &&
    manifest.peerDependencies?.['@seq/tensor'] === undefined
  ) {
    say('@seq/tensor must be a peerDependency');
  }
  return findings;
}

function sourceFindings(root: string, from: Workspace, byName: Map<string, Workspace>): string[] {
  const findings: string[] = [];
  for (const file of sources(root, from)) {
    const inTest = isTestFile(file);
    for (const found of importsOf(join(root, file))) {
      const where = `${file}:${found.line}: imports "${found.specifier}"`;
      if (found.specifier.startsWith('.')) {
        const target = fromRoot(root, join(root, dirname(file), found.specifier));
        if (!target.startsWith(`${from.path}/`) && from.group !== 'tooling')
          findings.push(`${where}: a relative import leaves ${from.path}`);
        if (target.startsWith('apps/') && from.group !== 'apps')
          findings.push(`${where}: nothing imports an app`);
        continue;
      }
      const name = packageOf(found.specifier);
      if (name === undefined) {
        if (from.group === 'packages' && !inTest && !found.dynamic && !found.typeOnly && !isNodeFile(file)) {
          findings.push(
            `${where}: packages run everywhere; reach Node through import() or in a node.ts of its own`,
          );
        }
        continue;
      }
      const to = byName.get(name);
      const why = to && refusal(from, to, found.specifier, inTest);
      if (why) findings.push(`${where}: ${why}`);
      if (from.group === 'tooling' || from.path === to?.path) continue;
      const { dependencies = {}, peerDependencies = {}, devDependencies = {} } = from.manifest;
      const listed = {
        ...dependencies,
        ...peerDependencies,
        ...(inTest ? { ...devDependencies, vitest: '' } : {}),
      };
      if (found.specifier !== leaf && !(name in listed)) {
        findings.push(
          `${where}: "${name}" is not listed in ${from.path}/package.json (${inTest ? 'devDependencies' : 'dependencies or peers'})`,
        );
      }
    }
  }
  return findings;
}

/** Files of a package that are meant for Node alone. */
function isNodeFile(file: string): boolean {
  return /(^|[/.])node\.ts$|\/node\//.test(file);
}
