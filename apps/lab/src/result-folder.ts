import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inputError, messageOf, usageError } from './errors.js';
import { quote } from './run-command.js';
import { newRunFolder, userFolder } from './runfolder.js';

/**
 * The folder that a study writes its results into, made if need be.
 *
 * @throws LabError  a folder that holds results already, or cannot be written
 */
export function createResultFolder(out: string | undefined): string {
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
