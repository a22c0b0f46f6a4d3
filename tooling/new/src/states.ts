import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { camelCase } from './rename.js';
import type { Place } from './rename.js';
import { readJson, sorted, write } from './template.js';

const table = 'tooling/staircase/src/states.ts';
const owner = 'tooling/staircase/package.json';
const row = /^ {2}\{\n {4}folder: '([^']+)',$/gm;

/**
 * Adds a mechanism to the table of states of docs/map.md, with the state of the template, in the order of the names.
 *
 * @returns the files written, as paths from the root
 * @throws Error  the table does not look as it is known to
 */
export function addState(root: string, { room, name }: Place): string[] {
  write(root, table, withState(readFileSync(join(root, table), 'utf8'), { room, name }));
  const manifest = readJson<{ devDependencies: Record<string, string> }>(root, owner);
  const devDependencies = sorted({ ...manifest.devDependencies, [`@seq/${room}`]: 'workspace:*' });
  write(root, owner, { ...manifest, devDependencies });
  return [table, owner];
}

/** The text of the table with one more row and the import that it needs. */
export function withState(text: string, { room, name }: Place): string {
  const factory = camelCase(name);
  const entry = `  {
    folder: '${room}/${name}',
    mixer: ${factory}({ dModel: 12 }),
    sizes: dilated,
    state: { h: ['B', 'C'] },
    holds: 'a fading mean of each channel',
  },
`;
  const after = [...text.matchAll(row)].find((match) => match[1] > `${room}/${name}`);
  const at = after?.index ?? text.indexOf('\n];\n', text.indexOf('export const states:')) + 1;
  const imports = text.lastIndexOf('\nimport ', at) + 1;
  if (at <= 0 || imports <= 0 || !text.includes('const dilated = {'))
    throw new Error(`${table} does not have the shape that a row can be added to`);
  const line = text.indexOf('\n', imports) + 1;
  const added = `import { ${factory} } from '@seq/${room}/${name}';\n`;
  return `${text.slice(0, line)}${added}${text.slice(line, at)}${entry}${text.slice(at)}`;
}
