import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Packed } from '@seq-tooling/check/pack';
import type { Proofs } from '@seq-tooling/check/proofs';
import { readManifest } from '@seq-tooling/check/workspace';
import type { Workspace } from '@seq-tooling/check/workspace';
import { examplesOf } from '@seq-tooling/readme/examples';
import type { Example } from '@seq-tooling/readme/examples';
import { proveBundle, title } from './bundle.js';
import type { BundleCase } from './bundle.js';
import { compile, resolutions, writeConsumer } from './consumer.js';
import { runExamples } from './examples.js';
import { conditions, writeProbe } from './needs.js';
import { cleanProject } from './project.js';
import type { Project } from './project.js';
import { installLines, packagesOf } from './readme.js';
import type { MissingRuntime, Runtime } from './runtimes.js';

/** What all packages are proven with. */
export interface Bench {
  root: string;
  list: Proofs;
  packed: readonly Packed[];
  runtimes: readonly (Runtime | MissingRuntime)[];
  cases: readonly BundleCase[];
}

/**
 * Proves one package in projects of its own: it installs by its README's line and brings nothing else, compiles, runs
 * its README's examples under every runtime, and bundles to what is used of it. Examples that import more than the line
 * names run in a second project, in which that is installed too.
 */
export async function provePackage(bench: Bench, workspace: Workspace): Promise<void> {
  const { name } = workspace.manifest;
  const file = join(bench.root, workspace.path, 'README.md');
  const readme = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [names, ...beside] = installLines(readme);
  if (!names) {
    await bench.list.prove(`${name}: README`, () => [
      'has no line `npm i …`, by which one would install the package',
    ]);
    return;
  }
  const examples = examplesOf(readme);
  const needsMore = (example: Example): boolean => packagesOf(example).some((name) => !names.includes(name));
  if (examples[0] === undefined || needsMore(examples[0]))
    await bench.list.prove(`${name}: the README's first example needs no more than its install line`, () => [
      examples[0] ? `it imports ${packagesOf(examples[0]).join(', ')}` : 'the README has no example',
    ]);
  const own = examples.filter((example) => !needsMore(example));
  await inProject(bench, workspace, { names, beside: beside.flat() }, own, async (project) => {
    for (const wanted of bench.cases)
      await bench.list.prove(`${name}: Vite bundles ${title(wanted.imports)}`, (note) =>
        proveBundle(project, wanted, note),
      );
  });
  const others = examples.filter(needsMore);
  const more = [...new Set([...names, ...others.flatMap(packagesOf)])];
  if (others.length > 0) await inProject(bench, workspace, { names: more, beside: beside.flat() }, others);
}

async function inProject(
  { root, list, packed, runtimes }: Bench,
  workspace: Workspace,
  { names, beside }: { names: readonly string[]; beside: readonly string[] },
  examples: readonly Example[],
  then: (project: Project) => Promise<void> = async () => {},
): Promise<void> {
  const { name } = workspace.manifest;
  const ours = names.filter((item) => packed.some((other) => other.workspace.manifest.name === item));
  const libraries = names.filter((item) => !ours.includes(item));
  const project = cleanProject();
  try {
    const specs = (wanted: readonly string[]): string[] =>
      wanted.map((item) => specOf(root, workspace, packed, item));
    const installed = await list.prove(
      `${name}: npm i ${names.join(' ')} brings these and nothing else`,
      async () => [
        ...(await project.install(specs(names))),
        ...strangers(project.installed(), ours, libraries),
      ],
    );
    if (!installed) return;
    writeConsumer(project, workspace, examples);
    writeProbe(project, name);
    for (const resolution of resolutions)
      await list.prove(`${name}: compiles under ${resolution}`, () =>
        compile(root, project, resolution, libraries.length > 0),
      );
    if (beside.length > 0)
      await list.prove(`${name}: npm i ${beside.join(' ')}, which some need beside`, () =>
        project.install(specs(beside)),
      );
    for (const runtime of runtimes) {
      const line = `${name}: ${examples.length} README ${examples.length === 1 ? 'example' : 'examples'} under ${runtime.name}`;
      const found = 'missing' in runtime ? runtime : await conditions(project, runtime, name);
      if ('missing' in runtime || 'missing' in found)
        list.skip(line, 'missing' in found ? found.missing : '');
      else await list.prove(line, () => runExamples(project, runtime, examples, found.env));
    }
    await then(project);
  } finally {
    project.remove();
  }
}

/** The tarball of a package of ours, or the version of another that the repository is tested with. */
function specOf(root: string, workspace: Workspace, packed: readonly Packed[], name: string): string {
  const ours = packed.find((item) => item.workspace.manifest.name === name);
  if (ours) return ours.tarball;
  const own = workspace.manifest;
  const version =
    own.devDependencies?.[name] ?? readManifest(root).devDependencies?.[name] ?? own.peerDependencies?.[name];
  return version === undefined ? name : `${name}@${version}`;
}

/** What lies in node_modules and should not, and what should and does not. */
export function strangers(
  installed: readonly string[],
  ours: readonly string[],
  libraries: readonly string[],
): string[] {
  const mine = libraries.length > 0 ? installed.filter((name) => name.startsWith('@seq/')) : installed;
  const wanted = [...ours].sort();
  if (mine.join() === wanted.join() && libraries.every((name) => installed.includes(name))) return [];
  return [`node_modules holds ${mine.join(', ')} instead of ${[...wanted, ...libraries].join(', ')}`];
}
