import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { rename } from './rename.js';
import type { Place, Template } from './rename.js';

/** The living template: the smallest true mixer, in the room that lends its shape to new ones. */
export const template: Template = { room: 'rnn', name: 'ema', op: 'exponentialMovingAverage' };

/** What the generator cannot do, said to the person who typed it. */
export class UsageError extends Error {}

/** True for a name of a folder, of a package and (in camel case) of a function. */
export function isName(name: string): boolean {
  return /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name);
}

/**
 * Copies the template's mechanism under its new name; a file called after the mechanism is called after the new one.
 *
 * @returns the files written, as paths from the root
 * @throws UsageError  the template is missing
 */
export function copyMechanism(root: string, to: Place): string[] {
  const source = join(root, 'packages', template.room, 'src', template.name);
  if (!existsSync(join(source, 'mixer.ts'))) throw new UsageError(`the template ${source} is missing`);
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(source, file)).isFile(),
  );
  return files.sort().map((file) => {
    const named = basename(file).replace(new RegExp(`^${template.name}(?=\\.)`), to.name);
    const target = join('packages', to.room, 'src', to.name, dirname(file), named);
    write(root, target, rename(readFileSync(join(source, file), 'utf8'), template, to));
    return target;
  });
}

/** The fields of a room's package.json that the generator changes. */
export interface RoomManifest {
  name: string;
  description: string;
  version: string;
  scripts: Record<string, string>;
  exports: Record<string, unknown>;
  publishConfig: { exports: Record<string, unknown> };
}

/** Adds the subpath export of a mechanism: on src for the workspace, on dist when published. */
export function withExport(manifest: RoomManifest, name: string): RoomManifest {
  const source = `./src/${name}/index.ts`;
  const built = { types: `./dist/${name}/index.d.ts`, default: `./dist/${name}/index.js` };
  const { publishConfig } = manifest;
  return {
    ...manifest,
    exports: insert(manifest.exports, `./${name}`, source),
    publishConfig: { ...publishConfig, exports: insert(publishConfig.exports, `./${name}`, built) },
  };
}

/** Keeps `.` first and `./package.json` last. */
function insert(exports: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  const { '.': index, './package.json': manifest, ...mechanisms } = exports;
  return { '.': index, ...sorted({ ...mechanisms, [key]: value }), './package.json': manifest };
}

/** The same record with its keys in alphabetical order. */
export function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Reads a JSON file of the repository. */
export function readJson<T>(root: string, file: string): T {
  return JSON.parse(readFileSync(join(root, file), 'utf8')) as T;
}

/** Writes a file of the repository, an object as JSON. */
export function write(root: string, file: string, content: string | object): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(
    join(root, file),
    typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`,
  );
}
