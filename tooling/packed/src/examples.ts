import { join } from 'node:path';
import { mapLimited, run } from '@seq-tooling/check/tool';
import type { ToolResult } from '@seq-tooling/check/tool';
import { missingPrint } from '@seq-tooling/readme/examples';
import type { Example } from '@seq-tooling/readme/examples';
import { fileOf } from './consumer.js';
import type { Project } from './project.js';
import type { Runtime } from './runtimes.js';

/**
 * Deno and Bun lay out objects in a way of their own. READMEs show Node's way, so there `console.log` goes through
 * `node:util`, which both have.
 */
const asNodePrints = `
import { format } from 'node:util';
console.log = (...values) => void process.stdout.write(format(...values) + '\\n');
`;

/** Runs a module of a project that `compile` compiled. */
export function runModule(
  project: Project,
  runtime: Runtime,
  name: string,
  env: Record<string, string> = {},
): Promise<ToolResult> {
  const file = runtime.readsTypeScript ? `src/${name}.ts` : `out/${name}.js`;
  project.write('print.mjs', asNodePrints);
  const [program, args] = runtime.command(file, './print.mjs');
  // A home of its own: what Deno or Bun would keep from earlier runs is not there.
  const home = join(project.folder, 'home');
  return run(program, args, project.folder, {
    HOME: home,
    DENO_DIR: join(home, 'deno'),
    DENO_NO_UPDATE_CHECK: '1',
    ...env,
  });
}

/** Imports every entry point, runs the examples, and looks for the lines that their `// →` comments promise. */
export async function runExamples(
  project: Project,
  runtime: Runtime,
  examples: readonly Example[],
  env: Record<string, string> = {},
): Promise<string[]> {
  const entries = await runModule(project, runtime, 'entries', env);
  const findings = await mapLimited(examples, 2, async (example) =>
    judge(example, await runModule(project, runtime, fileOf(example), env)),
  );
  return [...(entries.code === 0 ? [] : [entries.output]), ...findings.flat()];
}

/** What is wrong with what an example printed. */
export function judge(example: Example, { code, output }: ToolResult): string[] {
  const where = `the example on line ${example.line} of the README`;
  if (code !== 0) return [`${where} ended with exit code ${code}:\n${output}`];
  const missing = missingPrint(example.prints, output.split('\n'));
  return missing === undefined ? [] : [`${where} promises "${missing}" but printed:\n${output}`];
}
