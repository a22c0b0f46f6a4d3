import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inputError, messageOf, usageError } from './errors.js';
import { quote, selfCommand, shortPath } from './run-command.js';
import { newRunFolder, userFolder, writeWhole } from './runfolder.js';
import { columns, formatTable } from './table.js';
import type { Table } from './vanishing/tables.js';

/** Options that all studies have. */
export interface StudyFlags {
  readonly out?: string;
  readonly quiet?: true;
  readonly json?: true;
}

/** A study on its way: it tells what it finds and leaves results and a report in its folder. */
export interface Study {
  /** One finding: an event for programs or a line for people, unless the study is quiet. */
  tell(event: object, line: string): void;
  /** Seconds since it began. */
  seconds(): number;
  /** Writes results and report and shows the tables. */
  end(results: object, report: string, tables: readonly Table[]): void;
}

/**
 * Begins a study in a folder of its own.
 *
 * @throws LabError  a folder that holds results already, or cannot be written
 */
export function beginStudy({ out, quiet, json }: StudyFlags): Study {
  const folder = createResultFolder(out);
  const began = performance.now();
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    tell(event, line) {
      if (json) say(JSON.stringify(event));
      else if (!quiet) say(line);
    },
    seconds: () => (performance.now() - began) / 1000,
    end(results, report, tables) {
      writeWhole(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
      writeWhole(join(folder, 'report.html'), report);
      const shown = shortPath(folder);
      if (json) return say(JSON.stringify({ type: 'results', folder: shown, ...results }));
      const shownTables = tables.map(({ head, rows }) => formatTable(columns(...head), rows));
      say(`\n${[...shownTables, `Report: ${join(shown, 'report.html')}`].join('\n\n')}`);
    },
  };
}

/** The command line that repeats a study: its name, `--quick`, and the numbers that were given. */
export function repeatCommand(
  name: string,
  quick: true | undefined,
  given: Readonly<Record<string, number | undefined>>,
): string {
  const words = Object.entries(given).flatMap(([option, value]) =>
    value === undefined ? [] : [`--${option} ${value}`],
  );
  return [selfCommand(), name, ...(quick ? ['--quick'] : []), ...words].join(' ');
}

/** The folder that a study writes its results into, made if need be. */
function createResultFolder(out: string | undefined): string {
  const base = userFolder();
  const folder = out === undefined ? newRunFolder(base, new Date()) : resolve(base, out);
  for (const file of ['run.json', 'results.json']) {
    if (existsSync(join(folder, file)))
      throw usageError(
        `--out: the folder must not hold results yet, got ${quote(out ?? folder)} with ${file}. Choose another folder.`,
      );
  }
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw inputError(
      `--out: the folder must be writable, got "${folder}" (${messageOf(error)}). Choose another.`,
      error,
    );
  }
  return folder;
}
