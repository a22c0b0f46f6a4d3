import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { importsOf, parse } from './imports.js';
import { isRoom, mechanismFolders, workspaces } from './workspace.js';
import type { Workspace } from './workspace.js';

/** The shape of every room: the files of each mechanism, the exports, the markers of the README. */
export function rooms(root: string): string[] {
  const all = workspaces(root).filter(isRoom);
  return [...all.flatMap((room) => roomFindings(root, room)), ...kindFindings(root, all)];
}

function roomFindings(root: string, room: Workspace): string[] {
  const { path, manifest } = room;
  const findings: string[] = [];
  const say = (text: string): void => void findings.push(`${path}: ${text}`);
  const folders = mechanismFolders(root, room);
  const has = (file: string): boolean => existsSync(join(root, path, file));

  if (manifest.sideEffects !== false) say('package.json must say "sideEffects": false');
  if (manifest.peerDependencies?.['@seq/tensor'] === undefined) say('@seq/tensor must be a peerDependency');
  if (folders.length === 0) say('has no mechanism folder under src/');

  // The table tells costs of mixers; a room of operations alone has none.
  const hasMixer = folders.some((name) => has(`src/${name}/mixer.ts`));
  if (!has('README.md')) say('README.md is missing');
  else if (hasMixer && !hasRegion(readFileSync(join(root, path, 'README.md'), 'utf8'))) {
    say('README.md lacks the region <!-- generated:mechanisms --> … <!-- /generated -->');
  }

  if (!has('src/index.ts')) say('src/index.ts is missing');
  else {
    const index = join(root, path, 'src/index.ts');
    for (const line of linesThatAreNotReExports(index))
      say(`src/index.ts:${line}: only re-exports (export … from) belong here`);
    const reExported = new Set(importsOf(index).map((found) => found.specifier));
    for (const name of folders) {
      if (!reExported.has(`./${name}/index.js`)) say(`src/index.ts does not re-export ./${name}/index.js`);
    }
  }

  findings.push(...exportFindings(room, folders));
  for (const name of folders) findings.push(...mechanismFindings(root, room, name));
  return findings;
}

/** Each mechanism is a subpath export of the same name, on src for the workspace and on dist when published. */
function exportFindings({ path, manifest }: Workspace, folders: string[]): string[] {
  const findings: string[] = [];
  const inside = manifest.exports ?? {};
  const published = manifest.publishConfig?.exports ?? {};
  for (const name of folders) {
    const source = `./src/${name}/index.ts`;
    if (inside[`./${name}`] !== source) findings.push(`${path}: exports["./${name}"] must be "${source}"`);
    const built = { types: `./dist/${name}/index.d.ts`, default: `./dist/${name}/index.js` };
    if (JSON.stringify(published[`./${name}`]) !== JSON.stringify(built)) {
      findings.push(`${path}: publishConfig.exports["./${name}"] must be ${JSON.stringify(built)}`);
    }
  }
  for (const key of new Set([...Object.keys(inside), ...Object.keys(published)])) {
    if (key === '.' || key === './package.json') continue;
    if (!folders.includes(key.slice(2)))
      findings.push(`${path}: exports "${key}" but src/${key.slice(2)}/ does not exist`);
  }
  return findings;
}

function mechanismFindings(root: string, room: Workspace, name: string): string[] {
  const folder = `${room.path}/src/${name}`;
  const findings: string[] = [];
  const has = (file: string): boolean => existsSync(join(root, folder, file));
  for (const file of ['README.md', 'index.ts', 'naive.ts', `${name}.test.ts`, `${name}.bench.ts`]) {
    if (!has(file)) findings.push(`${folder}: ${file} is missing`);
  }
  if (!has('op.ts') && !has('mixer.ts')) findings.push(`${folder}: has neither op.ts nor mixer.ts`);
  if (has('index.ts')) {
    for (const line of linesThatAreNotReExports(join(root, folder, 'index.ts'))) {
      findings.push(`${folder}/index.ts:${line}: only re-exports (export … from) belong here`);
    }
  }
  if (has('naive.ts')) {
    for (const { line, specifier } of importsOf(join(root, folder, 'naive.ts'))) {
      findings.push(`${folder}/naive.ts:${line}: the definition imports nothing, found "${specifier}"`);
    }
  }
  return findings;
}

/** A kind names one mechanism: no two folders may claim the same. */
function kindFindings(root: string, all: Workspace[]): string[] {
  const owners = new Map<string, string>();
  const findings: string[] = [];
  for (const room of all) {
    for (const name of mechanismFolders(root, room)) {
      const file = join(root, room.path, 'src', name, 'mixer.ts');
      if (!existsSync(file)) continue;
      const where = `${room.path}/src/${name}`;
      const kinds = new Set(
        [...readFileSync(file, 'utf8').matchAll(/kind:\s*'([^']+)'/g)].map((match) => match[1]),
      );
      if (kinds.size !== 1)
        findings.push(
          `${where}/mixer.ts: expected one spec kind such as kind: 'seq/${name}', found ${kinds.size}`,
        );
      for (const kind of kinds) {
        const owner = owners.get(kind);
        if (owner) findings.push(`${where}/mixer.ts: kind '${kind}' belongs to ${owner}`);
        else owners.set(kind, where);
      }
    }
  }
  return findings;
}

function hasRegion(readme: string): boolean {
  const start = readme.indexOf('<!-- generated:mechanisms -->');
  return start >= 0 && readme.indexOf('<!-- /generated -->', start) > start;
}

function linesThatAreNotReExports(file: string): number[] {
  const source = parse(file);
  return source.statements
    .filter((statement) => !(ts.isExportDeclaration(statement) && statement.moduleSpecifier))
    .map((statement) => source.getLineAndCharacterOfPosition(statement.getStart()).line + 1);
}
