import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pages, withoutState } from './pages.js';

// Puts the stairs into CONTRIBUTING.md, the example of kernels into docs/cpu.md and the table of states into docs/map.md; with --check, changes nothing and fails
// when a page is out of date or a mechanism has no row.
const check = process.argv.includes('--check');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
let stale = 0;
for (const [page, fill] of Object.entries(pages)) {
  const file = join(root, page);
  const text = readFileSync(file, 'utf8');
  const filled = fill(text, root);
  if (filled === text) continue;
  stale++;
  if (check) console.error(`${page}: out of date; run \`pnpm --filter @seq-tooling/staircase pages\``);
  else writeFileSync(file, filled);
}
const missing = withoutState(root);
for (const folder of missing)
  console.error(
    `docs/map.md: ${folder} has no row in the table of states; add it to tooling/staircase/src/states.ts`,
  );
if (!check) console.log(`pages: ${stale} changed`);
process.exitCode = check && stale + missing.length > 0 ? 1 : 0;
