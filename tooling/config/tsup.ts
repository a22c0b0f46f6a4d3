import { existsSync, readdirSync } from 'node:fs';
import type { Options } from 'tsup';

/** Files that become entry points of a package: its index and the index of each mechanism folder. */
function entries(): string[] {
  const folders = readdirSync('src').map((name) => `src/${name}/index.ts`);
  return ['src/index.ts', ...folders.sort()].filter((file) => existsSync(file));
}

const shared: Options = {
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  sourcemap: true,
  clean: true,
  dts: false, // tsc writes the declarations: see docs/decisions
  loader: { '.wgsl': 'text', '.wasm': 'binary' },
};

/** A published package: one entry per subpath export, dependencies and peers left outside. */
export function library(options: Options = {}): Options {
  return { ...shared, entry: entries(), ...options };
}

/** A program for Node: the workspace's packages are bundled from source, npm's packages stay outside. */
export function program(options: Options): Options {
  return { ...shared, platform: 'node', target: 'node20', noExternal: [/^@seq\//], ...options };
}
