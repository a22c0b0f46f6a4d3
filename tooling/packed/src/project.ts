import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '@seq-tooling/check/tool';

/** An npm project outside the repository, with nothing in it but what is installed. */
export interface Project {
  folder: string;
  write(file: string, text: string): void;
  /** `npm install` of tarballs and names. Packages of ours come as tarballs, or from what `npmrc` says. */
  install(specs: readonly string[], npmrc?: string): Promise<string[]>;
  /** The packages that lie in its node_modules, by name, in alphabetical order. */
  installed(): string[];
  remove(): void;
}

/** Makes an empty project of ES modules. */
export function cleanProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'seq-project-'));
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  write('package.json', JSON.stringify({ private: true, type: 'module' }));
  return {
    folder,
    write,
    // Nobody answers on port 9: a package of ours that was not handed over cannot come from anywhere else.
    async install(specs, npmrc = '@seq:registry=http://127.0.0.1:9/\n') {
      write('.npmrc', `${npmrc}fetch-retry-mintimeout=1000\n`);
      const local = specs.every((spec) => spec.endsWith('.tgz'));
      const flags = ['--no-audit', '--no-fund', '--loglevel=error', local ? '--offline' : '--prefer-offline'];
      const { code, output } = await run('npm', ['install', ...flags, ...specs], folder);
      return code === 0 ? [] : [`npm install ${specs.join(' ')} failed:\n${output}`];
    },
    installed: () => packagesIn(join(folder, 'node_modules')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function packagesIn(modules: string): string[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
    )
    .sort();
}
