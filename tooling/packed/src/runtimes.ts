import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from '@seq-tooling/check/tool';
import { fetchTools } from './fetched.js';

/** A runtime that can run a module of a clean project. */
export interface Runtime {
  /** `Node 20`, as in the lines that are printed. */
  name: string;
  version: string;
  /** False for Node 20: it is shown what TypeScript compiled. */
  readsTypeScript: boolean;
  /** The program with the arguments that run a file, after one that prepares what is global. */
  command(file: string, before: string): [program: string, args: string[]];
}

/** A runtime that this machine has not, with the reason. */
export interface MissingRuntime {
  name: string;
  missing: string;
}

/** Where to look for a runtime, and how it runs a file. */
export interface Known {
  name: string;
  readsTypeScript: boolean;
  /** Programs to try in turn; the first one of the right version is taken. */
  programs: string[];
  /** What `--version` must print. */
  version: RegExp;
  /** The arguments before the file. */
  args(before: string): string[];
}

const deno = ['run', '--quiet', '--no-check', '--cached-only', '--allow-all', '--deny-net'];

/** Node 20 and 24, Deno and Bun: those that npm has for this machine, else those that the machine has. */
export async function findRuntimes(root: string): Promise<(Runtime | MissingRuntime)[]> {
  const fetched = await fetchTools(root);
  const modules = 'folder' in fetched ? join(fetched.folder, 'node_modules') : '';
  const why = 'missing' in fetched ? fetched.missing : '';
  const { platform, arch } = process;
  const bunArch = arch === 'arm64' ? 'aarch64' : arch;
  const known: Known[] = [
    {
      name: 'Node 20',
      readsTypeScript: false,
      programs: [
        join(modules, `node-20-${platform}-${arch}`, 'bin', 'node'),
        process.env['SEQ_HOST_NODE'] ?? '',
        'node',
      ],
      version: /^v(20\.\S+)/,
      args: () => [],
    },
    {
      name: 'Node 24',
      readsTypeScript: true,
      programs: [process.execPath, process.env['SEQ_HOST_NODE'] ?? ''],
      version: /^v(24\.\S+)/,
      args: () => [],
    },
    {
      name: 'Deno',
      readsTypeScript: true,
      programs: [join(modules, '@deno', `${platform}-${arch}-glibc`, 'deno'), 'deno'],
      version: /^deno (\S+)/,
      args: (before) => [...deno, '--preload', before],
    },
    {
      name: 'Bun',
      readsTypeScript: true,
      programs: [join(modules, '@oven', `bun-${platform}-${bunArch}`, 'bin', 'bun'), 'bun'],
      version: /^(\d\S*)/,
      args: (before) => ['run', '--no-install', '--preload', before],
    },
  ];
  return Promise.all(known.map((runtime) => find(runtime, why)));
}

export async function find(known: Known, why: string): Promise<Runtime | MissingRuntime> {
  for (const program of known.programs.filter(exists)) {
    const { code, output } = await run(program, ['--version'], process.cwd());
    const version = known.version.exec(output)?.[1];
    if (code !== 0 || version === undefined) continue;
    const { name, readsTypeScript, args } = known;
    return { name, version, readsTypeScript, command: (file, before) => [program, [...args(before), file]] };
  }
  const here = `npm has none for ${process.platform}-${process.arch}`;
  return { name: known.name, missing: `${why || here}, and this machine has none` };
}

function exists(program: string): boolean {
  if (program.includes('/') || program.includes('\\')) return existsSync(program);
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return program !== '' && folders.some((folder) => existsSync(join(folder, program)));
}
