import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { direction } from './direction.js';
import { docstrings } from './docstrings.js';
import { attw, publint } from './packed.js';
import { rooms } from './room.js';
import { finding, run, tool } from './tool.js';

/** The root of this repository. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** A check finds nothing when all is well. */
export interface Check {
  name: string;
  about: string;
  run(root: string): Promise<string[]>;
}

/** All checks of `pnpm check`, in the order in which they run. */
export const checks: readonly Check[] = [
  { name: 'types', about: 'TypeScript on every workspace; packages without the types of Node', run: types },
  { name: 'lint', about: 'oxlint, with type information', run: lint },
  { name: 'format', about: 'oxfmt', run: format },
  {
    name: 'direction',
    about: 'packages import only what lies below them',
    run: async (folder) => direction(folder),
  },
  { name: 'cycles', about: 'no import cycles between files, types left aside', run: cycles },
  { name: 'rooms', about: 'the shape of every room', run: async (folder) => rooms(folder) },
  {
    name: 'docstrings',
    about: 'everything a package publishes is explained',
    run: async (folder) => docstrings(folder),
  },
  { name: 'dead', about: 'files, exports and dependencies nobody uses (knip)', run: dead },
  { name: 'readme', about: 'generated tables and quoted files are up to date', run: readme },
  { name: 'build', about: 'every package builds', run: build },
  { name: 'publint', about: 'what npm would publish', run: publint },
  { name: 'attw', about: 'types resolve for those who install it (esm-only)', run: attw },
  { name: 'sizes', about: 'size limits of what a browser loads', run: sizes },
];

async function types(folder: string): Promise<string[]> {
  const all = await turbo(folder, ['check', '--continue']);
  const configs = await tool(folder, 'typescript-7', ['-p', '.'], folder, 'tsc');
  const universal = await tool(
    folder,
    'typescript-7',
    ['-p', 'tooling/config/tsconfig.universal.json'],
    folder,
    'tsc',
  );
  return [...all, ...finding(configs), ...finding(universal)];
}

async function lint(folder: string): Promise<string[]> {
  return finding(
    await tool(folder, 'oxlint', [
      '-c',
      'tooling/config/oxlint.json',
      '--type-aware',
      '--deny-warnings',
      '--report-unused-disable-directives',
    ]),
  );
}

async function format(folder: string): Promise<string[]> {
  const ignore = ['.gitignore', 'tooling/config/format.ignore'].flatMap((file) => ['--ignore-path', file]);
  return finding(
    await tool(folder, 'oxfmt', ['-c', 'tooling/config/oxfmt.json', ...ignore, '--list-different']),
  );
}

/** Import cycles that exist at run time: a circle of `import type` is harmless. */
export async function cycles(
  folder: string,
  config: string = join(root, 'tooling/config/oxlint.cycles.json'),
): Promise<string[]> {
  const groups = ['packages', 'apps', 'tooling'];
  return finding(
    await run(
      process.execPath,
      [join(root, 'node_modules/oxlint/bin/oxlint'), '-c', config, '--disable-nested-config', ...groups],
      folder,
    ),
  );
}

async function dead(folder: string): Promise<string[]> {
  const args = ['--config', 'tooling/config/knip.json', '--no-progress', '--no-config-hints'];
  return finding(await tool(folder, 'knip', args));
}

async function readme(folder: string): Promise<string[]> {
  const pages = ['tooling/readme/src/run.ts', 'tooling/staircase/src/run.ts'];
  const found: string[] = [];
  for (const page of pages) {
    found.push(...finding(await run(process.execPath, ['--import', 'tsx', page, '--check'], folder)));
  }
  return found;
}

async function build(folder: string): Promise<string[]> {
  return turbo(folder, ['build', '--continue']);
}

async function sizes(folder: string): Promise<string[]> {
  return finding(await tool(folder, 'size-limit', [], join(folder, 'tooling/check')));
}

async function turbo(folder: string, args: string[]): Promise<string[]> {
  const result = await tool(folder, 'turbo', [
    'run',
    ...args,
    '--output-logs=errors-only',
    '--no-update-notifier',
  ]);
  if (result.code === 0) return [];
  // Of turbo's own talk only the tasks' output tells something.
  const said = result.output.split('\n').filter((line) => /^\S+:\w+: (?!cache |\$ |\[ELIFECYCLE)/.test(line));
  return [said.length > 0 ? said.join('\n') : result.output];
}
