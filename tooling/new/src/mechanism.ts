import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { rename } from './rename.js';
import type { Place, Template } from './rename.js';

/** The living template: the smallest true mixer. */
const template: Template = { room: 'rnn', name: 'ema', op: 'exponentialMovingAverage' };

/** What `pnpm new mechanism` cannot do, said to the person who typed it. */
export class UsageError extends Error {}

/**
 * Creates a mechanism: copies the living template under its new name, adds the subpath export to the room's package.json
 * and the re-export to its index.
 *
 * @returns the files written, as paths from the root
 * @throws UsageError  a place that is not ROOM/NAME, a room that does not exist, a mechanism that does
 */
export function newMechanism(root: string, place: string): string[] {
  const to = parsePlace(root, place);
  const source = join(root, 'packages', template.room, 'src', template.name);
  if (!existsSync(join(source, 'mixer.ts'))) throw new UsageError(`the template ${source} is missing`);
  const folder = `packages/${to.room}/src/${to.name}`;
  const written = copyRenamed(root, source, folder, to);
  addExports(join(root, 'packages', to.room, 'package.json'), to.name);
  addReExport(join(root, 'packages', to.room, 'src/index.ts'), to.name);
  return [...written, `packages/${to.room}/package.json`, `packages/${to.room}/src/index.ts`];
}

function parsePlace(root: string, place: string): Place {
  const [room = '', name = '', ...rest] = place.split('/');
  if (room === '' || rest.length > 0 || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new UsageError(`expected ROOM/NAME with a name in lower case such as rnn/min-gru, got "${place}"`);
  }
  const rooms = roomsOf(root);
  if (!rooms.includes(room))
    throw new UsageError(`there is no room "${room}"; rooms are ${rooms.join(', ')}`);
  if (name === 'internal') throw new UsageError('"internal" is where a room keeps what its mechanisms share');
  if (existsSync(join(root, 'packages', room, 'src', name)))
    throw new UsageError(`packages/${room}/src/${name} exists`);
  return { room, name };
}

/** Rooms are the packages with at least one mechanism folder (a folder with a definition). */
function roomsOf(root: string): string[] {
  return readdirSync(join(root, 'packages'))
    .filter((id) => {
      const src = join(root, 'packages', id, 'src');
      return existsSync(src) && readdirSync(src).some((name) => existsSync(join(src, name, 'naive.ts')));
    })
    .sort();
}

/** Copies the template's files; a file called after the mechanism is called after the new one. */
function copyRenamed(root: string, source: string, folder: string, to: Place): string[] {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(source, file)).isFile(),
  );
  return files.sort().map((file) => {
    const target = join(
      folder,
      dirname(file),
      basename(file).replace(new RegExp(`^${template.name}(?=\\.)`), to.name),
    );
    mkdirSync(dirname(join(root, target)), { recursive: true });
    writeFileSync(join(root, target), rename(readFileSync(join(source, file), 'utf8'), template, to));
    return target;
  });
}

type Manifest = { exports: Record<string, unknown>; publishConfig: { exports: Record<string, unknown> } };

function addExports(file: string, name: string): void {
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  manifest.exports = insert(manifest.exports, `./${name}`, `./src/${name}/index.ts`);
  manifest.publishConfig.exports = insert(manifest.publishConfig.exports, `./${name}`, {
    types: `./dist/${name}/index.d.ts`,
    default: `./dist/${name}/index.js`,
  });
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Keeps `.` first and `./package.json` last. */
function insert(exports: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  const { '.': index, './package.json': manifest, ...mechanisms } = exports;
  const sorted = Object.entries({ ...mechanisms, [key]: value }).sort(([a], [b]) => (a < b ? -1 : 1));
  return { '.': index, ...Object.fromEntries(sorted), './package.json': manifest };
}

function addReExport(file: string, name: string): void {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  lines.push(`export * from './${name}/index.js';`);
  writeFileSync(file, `${lines.join('\n')}\n`);
}
