import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack, publishable } from '@seq-tooling/check/pack';
import { proofs } from '@seq-tooling/check/proofs';
import { mapLimited, tool } from '@seq-tooling/check/tool';
import { provePackage } from './alone.js';
import { packageOfCase } from './bundle.js';
import type { BundleCase } from './bundle.js';
import { projectWithTwoCopies, proveAnnouncement } from './copies.js';
import { findRuntimes } from './runtimes.js';

// `pnpm packed [NAME …]`: what those who install the published packages meet. One line per proof.
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');
const wanted = process.argv.slice(2).map((name) => name.replace(/^(@seq\/|packages\/)/, ''));
const packages = publishable(root);
const unknown = wanted.filter((id) => !packages.some((workspace) => workspace.id === id));
if (unknown.length > 0) {
  console.error(
    `packed: unknown ${unknown.join(', ')}. Packages: ${packages.map(({ id }) => id).join(', ')}.`,
  );
  process.exit(2);
}

const build = await tool(root, 'turbo', [
  'run',
  'build',
  '--filter=./packages/*',
  '--output-logs=errors-only',
]);
if (build.code !== 0) {
  console.error(build.output);
  console.log('packed: 0 passed, 1 failed');
  process.exit(1);
}
const packed = await pack(root, join(root, '.cache', 'packed'), packages);
const runtimes = await findRuntimes(root);
for (const runtime of runtimes)
  console.log(`${runtime.name}: ${'missing' in runtime ? runtime.missing : runtime.version}`);

const list = proofs('packed');
const cases = JSON.parse(readFileSync(join(here, '..', 'bundles.json'), 'utf8')) as BundleCase[];
const known = new Set(packages.map(({ manifest }) => manifest.name));
for (const name of new Set(cases.map(packageOfCase))) {
  if (!known.has(name)) await list.prove(`bundles.json: ${name}`, () => ['is no package that is published']);
}
const chosen = packages.filter(({ id }) => wanted.length === 0 || wanted.includes(id));
await mapLimited(chosen, 2, async (workspace) => {
  const { name } = workspace.manifest;
  const own = cases.filter((item) => packageOfCase(item) === name);
  if (own.length === 0)
    await list.prove(`${name}: bundles.json`, () => [
      'tells no limit for this package. Add a line with what one imports of it.',
    ]);
  await provePackage({ root, list, packed, runtimes, cases: own }, workspace);
});

if (wanted.length === 0 || wanted.includes('tensor')) {
  const project = await projectWithTwoCopies(packed);
  for (const runtime of runtimes) {
    const line = `@seq/tensor: a second copy announces itself under ${runtime.name}`;
    if ('missing' in runtime) list.skip(line, runtime.missing);
    else await list.prove(line, () => proveAnnouncement(project, runtime));
  }
  project.remove();
}
process.exitCode = list.end();
