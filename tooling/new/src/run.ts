import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newMechanism } from './mechanism.js';
import { newPackage } from './package.js';
import { UsageError } from './template.js';

// `pnpm new mechanism ROOM/NAME`, `pnpm new package NAME [MECHANISM]`
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const usage = `usage: pnpm new mechanism ROOM/NAME         for example: pnpm new mechanism rnn/min-gru
       pnpm new package NAME [MECHANISM]    for example: pnpm new package ssm mamba`;

/** Runs a step of which the user sees what it prints; ends the command when it fails. */
function step(program: string, args: string[]): void {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`new: ${program} ${args.join(' ')} failed${error ? ` (${error.message})` : ''}`);
  process.exit(status ?? 1);
}

/** Formats what was written and fills the generated tables. */
function finish(written: readonly string[]): void {
  const oxfmt = join(root, 'node_modules/oxfmt/bin/oxfmt');
  const code = written.filter((file) => /\.(ts|json)$/.test(file));
  step(process.execPath, [oxfmt, '-c', 'tooling/config/oxfmt.json', ...code]);
  for (const page of ['readme', 'staircase'])
    step(process.execPath, ['--import', 'tsx', `tooling/${page}/src/run.ts`]);
  console.log(written.map((file) => `  ${file}`).join('\n'));
}

function staircase(folder: string): string {
  return `
A working mechanism under a new name. Make it yours:
  1. naive.ts   the definition, as loops
  2. mixer.ts   step(): right, and slow is fine; prefill and forward are derived from it
  3. README.md  recurrence, shapes, source; what it holds, in tooling/staircase/src/states.ts
  4. pnpm test ${folder}      the laws judge it
  5. op.ts      the parallel form, under the same tests
  6. pnpm readme && pnpm check, pnpm changeset`;
}

const [what, name, mechanism = name, ...rest] = process.argv.slice(2);
try {
  if (name === undefined || mechanism === undefined || rest.length > 0)
    throw new UsageError('what, and where?');
  if (what === 'mechanism' && process.argv.length === 4) {
    finish(newMechanism(root, name));
    console.log(staircase(`packages/${name.replace('/', '/src/')}`));
  } else if (what === 'package') {
    const written = newPackage(root, name, mechanism);
    step('pnpm', [
      'install',
      '--no-frozen-lockfile',
      '--prefer-offline',
      '--reporter=append-only',
      '--loglevel=warn',
    ]);
    finish([...written, 'pnpm-lock.yaml']);
    console.log(staircase(`packages/${name}/src/${mechanism}`));
    console.log(`
A room of its own. Say what its state is: in packages/${name}/README.md, the package's description, the tables of packages
in README.md and docs/map.md, "which room?" there and in CONTRIBUTING.md. Its limit is in tooling/packed/bundles.json.`);
  } else {
    throw new UsageError(`cannot make a "${what}"`);
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`new: ${error.message}`);
  console.error(usage);
  process.exit(2);
}
