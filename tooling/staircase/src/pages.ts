import { globSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { states, statesTable } from './states.js';

/** The pages this package keeps up to date, and how; paths from the root of the repository. */
export const pages: Readonly<Record<string, (text: string, root: string) => string>> = {
  'CONTRIBUTING.md': (text, root) => quoteFiles(text, (file) => readFileSync(join(root, file), 'utf8')),
  'docs/cpu.md': (text, root) => quoteFiles(text, (file) => readFileSync(join(root, file), 'utf8')),
  'docs/map.md': (text) => fillStates(text, statesTable(states)),
};

const quote = /(<!-- from (\S+) -->\n+```(?:ts|typescript)\n)[\s\S]*?(?<=\n)(```\n)/g;

/** The files that a page quotes, in their order. */
export function quotedFiles(markdown: string): string[] {
  return [...markdown.matchAll(quote)].map((match) => match[2]);
}

/** Puts the present text of each file into the block below its comment `<!-- from FILE -->`. */
export function quoteFiles(markdown: string, read: (file: string) => string): string {
  return markdown.replace(
    quote,
    (_, open: string, file: string, close: string) => `${open}${read(file).trimEnd()}\n${close}`,
  );
}

const region = /(<!-- generated:states -->\n)[\s\S]*?(<!-- \/generated -->)/;

/**
 * Puts the table of states into its region.
 *
 * @throws Error  a page without the region
 */
export function fillStates(markdown: string, table: string): string {
  if (!region.test(markdown)) throw new Error('the page has no region <!-- generated:states -->');
  return markdown.replace(region, (_, open: string, close: string) => `${open}\n${table}\n\n${close}`);
}

/** The mechanisms of the rooms, `rnn/ema`, that have no row in the table of states. */
export function withoutState(root: string): string[] {
  const files = globSync('packages/*/src/*/mixer.ts', { cwd: root });
  const folders = files.map((file) => file.split(sep)).map(([, room, , name]) => `${room}/${name}`);
  return folders.filter((folder) => !states.some((row) => row.folder === folder)).sort();
}
