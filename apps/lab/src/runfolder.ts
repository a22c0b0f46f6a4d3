import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { inputError, messageOf } from './errors.js';
import type { RunResults, RunSettings } from './types.js';

/** Where runs go when no folder is given. */
export const RUNS = 'runs';

/** The folder from which relative paths of the user count: where npm was called, else the working folder. */
export function userFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment['INIT_CWD'] ?? process.cwd();
}

/** `runs/2026-11-22-2054`, with `-2`, `-3`, … when that exists. */
export function newRunFolder(base: string, now: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const stamp = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}`;
  let folder = join(base, RUNS, stamp);
  for (let k = 2; existsSync(folder); k++) folder = join(base, RUNS, `${stamp}-${k}`);
  return folder;
}

/** The run under `base/runs` whose settings were written last, or undefined. */
export function latestRun(base: string): string | undefined {
  const runs = join(base, RUNS);
  if (!existsSync(runs)) return undefined;
  return readdirSync(runs)
    .map((name) => join(runs, name))
    .filter((folder) => existsSync(join(folder, 'run.json')))
    .map((folder) => ({ folder, time: statSync(join(folder, 'run.json')).mtimeMs }))
    .sort((a, b) => b.time - a.time || (a.folder < b.folder ? 1 : -1))[0]?.folder;
}

/** Writes a file whole or not at all: beside it first, then renamed over it. */
export function writeWhole(file: string, content: string | Uint8Array): void {
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(beside, content);
  renameSync(beside, file);
}

/** Creates the folder of a run and writes its settings. */
export function createRun(folder: string, settings: RunSettings): void {
  try {
    mkdirSync(folder, { recursive: true });
    writeWhole(join(folder, 'run.json'), `${JSON.stringify(settings, null, 2)}\n`);
  } catch (error) {
    throw inputError(
      `--out: the folder must be writable, got "${folder}" (${messageOf(error)}). Choose another.`,
      error,
    );
  }
}

/** Reads the settings of a run that is to be resumed. Throws a LabError (exit code 3) when there is none. */
export function readRun(folder: string): RunSettings {
  const settings = readJson<RunSettings>(join(folder, 'run.json'));
  if (settings === undefined)
    throw inputError(
      `--resume: the folder must hold a run, got "${resolve(folder)}" without run.json. Give the folder that the run printed.`,
    );
  if (settings.version !== 1 || !Array.isArray(settings.recipes)) {
    throw inputError(
      `--resume: run.json must be of version 1, got version ${String(settings.version)} in "${resolve(folder)}". Start a new run.`,
    );
  }
  return settings;
}

/** Reads the results of a run, as far as it got; undefined when none were written. */
export function readResults(folder: string): RunResults | undefined {
  return readJson<RunResults>(join(folder, 'results.json'));
}

function readJson<T>(file: string): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    throw inputError(
      `${file}: must be JSON, got a damaged file (${messageOf(error)}). Start a new run.`,
      error,
    );
  }
}
