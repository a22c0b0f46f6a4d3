import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newMechanism, UsageError } from './mechanism.js';

// `pnpm new mechanism ROOM/NAME`
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const usage = 'usage: pnpm new mechanism ROOM/NAME     for example: pnpm new mechanism rnn/min-gru';
const [what, place, ...rest] = process.argv.slice(2);

if (what !== 'mechanism' || place === undefined || rest.length > 0) {
  console.error(usage);
  process.exit(2);
}
try {
  const written = newMechanism(root, place);
  const code = written.filter((file) => !file.endsWith('.md'));
  spawnSync(
    process.execPath,
    [join(root, 'node_modules/oxfmt/bin/oxfmt'), '-c', 'tooling/config/oxfmt.json', ...code],
    { cwd: root, stdio: 'inherit' },
  );
  spawnSync(process.execPath, ['--import', 'tsx', 'tooling/readme/src/run.ts'], {
    cwd: root,
    stdio: 'inherit',
  });
  const [room = '', name = ''] = place.split('/');
  console.log(written.map((file) => `  ${file}`).join('\n'));
  console.log(`
A working mechanism under a new name. Make it yours:
  1. naive.ts   the definition, as loops
  2. mixer.ts   step(): right, and slow is fine; prefill and forward are derived from it
  3. README.md  recurrence, shapes, source
  4. pnpm test packages/${room}/src/${name}      the laws judge it
  5. op.ts      the parallel form, under the same tests
  6. pnpm readme && pnpm check, pnpm changeset`);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`new: ${error.message}`);
  console.error(usage);
  process.exit(2);
}
