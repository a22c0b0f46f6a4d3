import { afterEach, beforeEach, expect, test } from 'vitest';
import { proveAnnouncement } from './copies.js';
import { cleanProject } from './project.js';
import type { Project } from './project.js';
import { find } from './runtimes.js';
import type { Known, Runtime } from './runtimes.js';

const here: Runtime = {
  name: 'this Node',
  version: process.versions.node,
  readsTypeScript: false,
  command: (file) => [process.execPath, [file]],
};
let project: Project;
beforeEach(() => void (project = cleanProject()));
afterEach(() => project.remove());

/** What is found when two copies print these lines. */
async function found(lines: readonly string[], alone = 'own 3'): Promise<string> {
  project.write('out/one.js', `console.log(${JSON.stringify(alone)});`);
  project.write('out/two.js', `for (const line of ${JSON.stringify(lines)}) console.log(line);`);
  return (await proveAnnouncement(project, here)).join('\n');
}

test('one warning that names both places is right; none, two, or one of one place is not', async () => {
  const own = `${project.folder}/node_modules/@seq/tensor/dist/index.js`;
  const other = `${project.folder}/node_modules/library/node_modules/@seq/tensor/dist/index.js`;
  const warning = `@seq/tensor: two copies are loaded, ${own} and ${other}.`;
  const works = ['own 3', 'library 3', 'own 4'];
  expect(await found([warning, ...works])).toBe('');
  expect(await found(works)).toMatch(/expected one warning of two copies, got 0/);
  expect(await found([warning, warning, ...works])).toMatch(/got 2/);
  expect(await found([warning.replace(other, own), ...works])).toMatch(/does not name \/library\//);
  expect(await found([warning, 'own 3', 'own 4'])).toMatch(/"library 3" was not printed/);
  expect(await found([warning, ...works], 'own 3\n@seq/tensor: two')).toMatch(/one copy printed/);
});

test('a runtime of another version is none, and the reason is told', async () => {
  const known = (programs: string[], version: RegExp): Known => ({
    name: 'Node',
    readsTypeScript: true,
    programs,
    version,
    args: (before) => ['--import', before],
  });
  const right = await find(known(['/nowhere/node', '', process.execPath], /^v(\d+\.\S+)/), '');
  expect(right).toMatchObject({ name: 'Node', version: process.versions.node });
  expect('command' in right && right.command('a.ts', './b.mjs')).toEqual([
    process.execPath,
    ['--import', './b.mjs', 'a.ts'],
  ]);
  expect(await find(known([process.execPath], /^v(1\.\S+)/), 'npm said no')).toEqual({
    name: 'Node',
    missing: 'npm said no, and this machine has none',
  });
  const none = await find(known(['/nowhere/node'], /^v(\d+)/), '');
  expect('missing' in none && none.missing).toContain(`npm has none for ${process.platform}-${process.arch}`);
});
