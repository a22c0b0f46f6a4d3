import { mkdirSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import type { Packed } from '@seq-tooling/check/pack';
import { run } from '@seq-tooling/check/tool';
import { cleanProject } from './project.js';
import type { Project } from './project.js';
import { runModule } from './examples.js';
import type { Runtime } from './runtimes.js';

/**
 * A project with a library that carries a copy of `@seq/tensor` of its own (a bundled dependency, where it should be a
 * peer), beside the project's.
 */
export async function projectWithTwoCopies(packed: readonly Packed[]): Promise<Project> {
  const tensor = packed.find(({ workspace }) => workspace.manifest.name === '@seq/tensor');
  if (!tensor) throw new Error('@seq/tensor was not packed');
  const library = cleanProject();
  const project = cleanProject();
  try {
    const tarball = await packLibrary(library, tensor.tarball, project.folder);
    const findings = await project.install([tensor.tarball, tarball]);
    if (findings.length > 0) throw new Error(findings.join('\n'));
    const own = `import { tensor } from '@seq/tensor';\nconsole.log('own', await tensor([1, 2]).sum().item());\n`;
    for (const folder of ['src/one.ts', 'out/one.js']) project.write(folder, own);
    const two = `${own}const name: string = 'library';\nconst { two } = await import(name);\nconsole.log('library', await two());\nconsole.log('own', await tensor([4]).item());\n`;
    project.write('src/two.ts', two);
    project.write('out/two.js', two.replace(': string', ''));
    return project;
  } catch (error) {
    project.remove();
    throw error;
  } finally {
    library.remove();
  }
}

async function packLibrary(library: Project, tensor: string, to: string): Promise<string> {
  const installed = await library.install([tensor]);
  if (installed.length > 0) throw new Error(installed.join('\n'));
  const manifest = {
    name: 'library',
    version: '1.0.0',
    type: 'module',
    exports: './index.js',
    dependencies: { '@seq/tensor': '*' },
    bundleDependencies: ['@seq/tensor'],
  };
  library.write('package.json', JSON.stringify(manifest));
  library.write(
    'index.js',
    `import { tensor } from '@seq/tensor';\nexport const two = () => tensor([3]).item();\n`,
  );
  const { code, output } = await run('npm', ['pack', '--loglevel=error'], library.folder);
  if (code !== 0) throw new Error(`npm pack of a library failed:\n${output}`);
  mkdirSync(to, { recursive: true });
  const target = join(to, 'library-1.0.0.tgz');
  cpSync(join(library.folder, 'library-1.0.0.tgz'), target);
  return target;
}

/** One copy says nothing; the second says so once, naming both places, and both go on working. */
export async function proveAnnouncement(project: Project, runtime: Runtime): Promise<string[]> {
  const findings: string[] = [];
  const alone = await runModule(project, runtime, 'one');
  if (alone.code !== 0 || alone.output.trim() !== 'own 3')
    findings.push(`one copy printed:\n${alone.output}`);
  const both = await runModule(project, runtime, 'two');
  const lines = both.output.split('\n');
  const warnings = lines.filter((line) => line.includes('@seq/tensor: two copies are loaded'));
  if (warnings.length !== 1)
    findings.push(`expected one warning of two copies, got ${warnings.length}:\n${both.output}`);
  const places = ['/library/node_modules/@seq/tensor/', `${project.folder}/node_modules/@seq/tensor/`];
  for (const place of places) {
    if (!warnings[0]?.includes(place)) findings.push(`the warning does not name ${place}:\n${both.output}`);
  }
  for (const line of ['own 3', 'library 3', 'own 4']) {
    if (!lines.includes(line)) findings.push(`"${line}" was not printed:\n${both.output}`);
  }
  return findings;
}
