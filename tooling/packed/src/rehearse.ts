import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyRepository } from '@seq-tooling/check/copy';
import type { Copy } from '@seq-tooling/check/copy';
import { publishable } from '@seq-tooling/check/pack';
import { proofs } from '@seq-tooling/check/proofs';
import { finding, mapLimited } from '@seq-tooling/check/tool';
import { readManifest } from '@seq-tooling/check/workspace';
import type { Workspace } from '@seq-tooling/check/workspace';
import { examplesOf } from '@seq-tooling/readme/examples';
import { strangers } from './alone.js';
import { compile, writeConsumer } from './consumer.js';
import { runExamples } from './examples.js';
import { fetchTools } from './fetched.js';
import { cleanProject } from './project.js';
import { installLines } from './readme.js';
import { startRegistry } from './registry.js';
import type { Registry } from './registry.js';
import { released, unpacked } from './released.js';
import { findRuntimes } from './runtimes.js';

// `pnpm release:rehearse`: a release of a copy of the repository, to a registry on this machine that knows no other.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const list = proofs('release');
let copy: Copy | undefined;
let registry: Registry | undefined;
try {
  const tools = await fetchTools(root);
  if ('missing' in tools) throw new Error(`the rehearsal needs a registry: ${tools.missing}`);
  registry = await startRegistry(tools.folder);
  copy = copyRepository(root);
  await rehearse(copy, registry);
} catch (error) {
  await list.prove('release', () => [String(error instanceof Error ? error.stack : error)]);
} finally {
  await registry?.stop();
  copy?.remove();
}
process.exitCode = list.end();

async function rehearse({ folder, command }: Copy, { npmrc, url }: Registry): Promise<void> {
  const before = publishable(folder);
  const first = before[0]?.manifest.name ?? '';
  writeFileSync(
    join(folder, '.changeset', 'rehearsal.md'),
    `---\n'${first}': patch\n---\n\nA change to rehearse a release with.\n`,
  );
  // The first command installs, from the registry that everybody uses; from then on only ours is asked.
  const status = await list.prove('changeset status sees a change', async () =>
    finding(await command('changeset', 'status')),
  );
  if (!status) return;
  appendFileSync(join(folder, '.npmrc'), npmrc);

  const old = new Map(before.map(({ manifest }) => [manifest.name, manifest.version ?? '']));
  await list.prove('changeset version raises the version of every package together', async (note) => {
    const result = finding(await command('changeset', 'version'));
    const after = publishable(folder);
    note(
      `${[...new Set(old.values())].join(', ')} → ${[...new Set(after.map((item) => item.manifest.version))].join(', ')}`,
    );
    const pending = readdirSync(join(folder, '.changeset')).filter((file) => file.endsWith('.md'));
    const changelog = join(folder, before[0]?.path ?? '', 'CHANGELOG.md');
    return [
      ...result,
      ...released(
        after.map(({ manifest }) => manifest),
        old,
      ),
      ...pending.map((file) => `.changeset/${file} is still there`),
      ...(existsSync(changelog) &&
      readFileSync(changelog, 'utf8').includes('A change to rehearse a release with.')
        ? []
        : [`${changelog} does not tell the change`]),
    ];
  });
  const packages = publishable(folder);

  const built = await list.prove('build', async () => finding(await command('build', 'packages/*')));
  const out = join(folder, '.cache', 'release');
  const packed =
    built &&
    (await list.prove(`changeset pack: ${packages.length} tarballs`, async () => [
      ...finding(await command('changeset', 'pack', '--out-dir', out)),
      ...(await unpacked(out, packages)),
    ]));
  if (!packed) return;
  const published = await list.prove('changeset publish, to the registry on this machine', async () =>
    finding(await command('changeset', 'publish', '--from-pack-dir', out)),
  );
  if (!published) return;
  await list.prove('the registry has every package at its new version', async () => {
    const found = await mapLimited(packages, 4, async ({ manifest: { name, version } }) => {
      const answer = await fetch(`${url}${name.replace('/', '%2f')}`);
      const body = (await answer.json()) as { 'dist-tags'?: { latest?: string } };
      const latest = body['dist-tags']?.latest;
      return latest === version ? [] : [`the latest ${name} is ${latest} instead of ${version}`];
    });
    return found.flat();
  });
  await list.prove('changeset publish once more finds nothing to publish', async () => {
    const { code, output } = await command('changeset', 'publish');
    return code === 0 && output.includes('No unpublished') ? [] : [output];
  });

  await installFrom(npmrc, folder, packages);
}

/** Installs everything that was published into one clean project, and runs a README's first example there. */
async function installFrom(npmrc: string, folder: string, packages: readonly Workspace[]): Promise<void> {
  const lines = new Map(
    packages.map((workspace) => [workspace, installLines(readmeOf(folder, workspace)).flat()]),
  );
  const ours = packages.map(({ manifest }) => manifest.name);
  // The registry knows no other, so what needs a library of others cannot be installed from it.
  const alone = packages.filter((workspace) => {
    const names = lines.get(workspace) ?? [];
    return names.length > 0 && names.every((name) => ours.includes(name));
  });
  const [shown] = [...alone].sort((a, b) => (lines.get(b)?.length ?? 0) - (lines.get(a)?.length ?? 0));
  if (!shown) throw new Error('no package can be installed from the registry by itself');

  const project = cleanProject();
  try {
    const names = alone.map(({ manifest }) => manifest.name);
    const installed = await list.prove(`npm i ${names.join(' ')} from the registry`, async () => [
      ...(await project.install(names, npmrc)),
      ...strangers(project.installed(), names, []),
      ...alone.flatMap(({ manifest }) => {
        const got = readManifest(join(project.folder, 'node_modules', manifest.name)).version;
        return got === manifest.version ? [] : [`got ${manifest.name} ${got}, published ${manifest.version}`];
      }),
    ]);
    if (!installed) return;
    const { name } = shown.manifest;
    const examples = examplesOf(readmeOf(folder, shown)).slice(0, 1);
    writeConsumer(project, shown, examples);
    await list.prove(`${name}: compiles`, () => compile(root, project, 'nodenext', false));
    for (const runtime of await findRuntimes(root)) {
      const line = `${name}: the README example under ${runtime.name}`;
      if ('missing' in runtime) list.skip(line, runtime.missing);
      else await list.prove(line, () => runExamples(project, runtime, examples));
    }
  } finally {
    project.remove();
  }
}

function readmeOf(folder: string, workspace: Workspace): string {
  const file = join(folder, workspace.path, 'README.md');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
