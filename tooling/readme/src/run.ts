import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadMechanisms, row, table } from './mechanisms.js';
import { fillRegion, hasRegion } from './regions.js';

// Fills the generated regions of the READMEs; with --check, changes nothing and fails when one is out of date.
const check = process.argv.includes('--check');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

const rows = (await loadMechanisms(root)).map(row);
let stale = 0;
for (const file of ['README.md', ...globSync('packages/*/README.md', { cwd: root }).sort()]) {
  const text = readFileSync(join(root, file), 'utf8');
  if (!hasRegion(text, 'mechanisms')) continue;
  const folder = dirname(file);
  const own = folder === '.' ? rows : rows.filter((item) => item.link.startsWith(`${folder}/`));
  const filled = fillRegion(text, 'mechanisms', table(own, folder));
  if (filled === text) continue;
  stale++;
  if (check) console.error(`${file}: the generated table is out of date; run \`pnpm readme\``);
  else writeFileSync(join(root, file), filled);
}
if (!check) console.log(`readme: ${stale} ${stale === 1 ? 'file' : 'files'} changed`);
process.exitCode = check && stale > 0 ? 1 : 0;
