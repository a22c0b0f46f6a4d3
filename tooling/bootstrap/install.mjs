// Runs inside `npm exec --package=pnpm@…`, so pnpm is on the PATH: install, then record where pnpm lies.
import { findOnPath, root, run, writeStamp } from './setup.mjs';

const windows = process.platform === 'win32';
const code = await run(
  'pnpm',
  ['install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn'],
  { cwd: root, shell: windows },
);
const folder = findOnPath('pnpm');
if (code === 0 && folder) writeStamp(folder);
process.exitCode = code === 0 && !folder ? 1 : code;
