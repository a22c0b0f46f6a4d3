import { finding, tool } from '@seq-tooling/check/tool';
import type { Workspace } from '@seq-tooling/check/workspace';
import type { Example } from '@seq-tooling/readme/examples';
import type { Project } from './project.js';

/** The entry points a published package promises: `@seq/rnn`, `@seq/rnn/gru`, … */
export function entryPoints({ manifest }: Workspace): string[] {
  return Object.keys(manifest.publishConfig?.exports ?? {})
    .filter((key) => key !== './package.json')
    .map((key) => manifest.name + key.slice(1));
}

/** The file of an example in a project, without its ending. */
export function fileOf(example: Example): string {
  return `example-${example.line}`;
}

/** Writes the examples and one module that imports every entry point of a package. */
export function writeConsumer(project: Project, workspace: Workspace, examples: readonly Example[]): void {
  for (const example of examples) project.write(`src/${fileOf(example)}.ts`, `${example.code}\nexport {};\n`);
  const entries = entryPoints(workspace);
  project.write('src/entries.ts', entryModule(entries));
}

/** A module that fails when an entry point exports nothing. */
function entryModule(entries: readonly string[]): string {
  const lines = entries.map((entry, i) => `import * as e${i} from '${entry}';`);
  const checks = entries.map(
    (entry, i) => `if (Object.keys(e${i}).length === 0) throw new Error('${entry} exports nothing');`,
  );
  return [...lines, ...checks, ''].join('\n');
}

/** The two ways in which today's projects find modules. */
export const resolutions = ['nodenext', 'bundler'] as const;

/**
 * Compiles what `writeConsumer` wrote, strictly. No types of Node or of WebGPU are at hand; declarations of the packages
 * are checked too, unless `libraries` says that another library is installed whose declarations want more.
 * Under `nodenext` the JavaScript goes to `out/`.
 */
export async function compile(
  root: string,
  project: Project,
  resolution: (typeof resolutions)[number],
  libraries: boolean,
): Promise<string[]> {
  const compilerOptions = {
    strict: true,
    target: 'es2022',
    lib: ['es2023', 'dom', 'esnext.disposable'],
    module: resolution === 'nodenext' ? 'nodenext' : 'preserve',
    moduleResolution: resolution,
    types: [],
    skipLibCheck: libraries,
    rootDir: 'src',
    ...(resolution === 'nodenext' ? { outDir: 'out' } : { noEmit: true }),
  };
  const config = `tsconfig.${resolution}.json`;
  project.write(config, JSON.stringify({ compilerOptions, include: ['src'] }));
  return finding(await tool(root, 'typescript-7', ['-p', config], project.folder, 'tsc'));
}
