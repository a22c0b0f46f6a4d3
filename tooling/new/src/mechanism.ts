import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './rename.js';
import { addState } from './states.js';
import { copyMechanism, isName, readJson, UsageError, withExport, write } from './template.js';
import type { RoomManifest } from './template.js';

/**
 * Creates a mechanism: copies the living template under its new name, adds the subpath export to the room's package.json,
 * the re-export to its index and a row to the table of states.
 *
 * @returns the files written, as paths from the root
 * @throws UsageError  a place that is not ROOM/NAME, a room that does not exist, a mechanism that does
 */
export function newMechanism(root: string, place: string): string[] {
  const to = parsePlace(root, place);
  const written = copyMechanism(root, to);
  const manifest = `packages/${to.room}/package.json`;
  write(root, manifest, withExport(readJson<RoomManifest>(root, manifest), to.name));
  const index = `packages/${to.room}/src/index.ts`;
  addReExport(root, index, to.name);
  return [...written, manifest, index, ...addState(root, to)];
}

function parsePlace(root: string, place: string): Place {
  const [room = '', name = '', ...rest] = place.split('/');
  if (room === '' || rest.length > 0 || !isName(name)) {
    throw new UsageError(`expected ROOM/NAME with a name in lower case such as rnn/min-gru, got "${place}"`);
  }
  const rooms = roomsOf(root);
  if (!rooms.includes(room))
    throw new UsageError(`there is no room "${room}"; rooms are ${rooms.join(', ')}`);
  if (name === 'internal' || name === 'wasm')
    throw new UsageError(`"${name}" is where a room keeps what its mechanisms share`);
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

function addReExport(root: string, file: string, name: string): void {
  const lines = readFileSync(join(root, file), 'utf8').trimEnd().split('\n');
  write(root, file, `${[...lines, `export * from './${name}/index.js';`].join('\n')}\n`);
}
