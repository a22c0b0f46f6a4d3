import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { executeRun } from './compare.js';
import { splitText } from './data.js';
import { useDevice } from './device.js';
import type { DeviceName } from './device.js';
import { EXIT, LabError, usageError } from './errors.js';
import type { ExitCode } from './errors.js';
import { listenForInterrupts } from './interrupts.js';
import type { RunFlags } from './program.js';
import type { DisplayKind } from './progress.js';
import { comparedNames, recipe, stepFactorFor } from './recipes.js';
import type { RecipeChanges } from './recipes.js';
import { createRun, latestRun, newRunFolder, readRun, userFolder } from './runfolder.js';
import type { RunSettings } from './types.js';
import { loadText } from './text.js';
import type { TextSource } from './text.js';

/** How the samples begin; with a text of the user's they begin as the text does. */
const DEFAULT_PROMPT = 'The whale ';

/** Runs `compare` (all models or those of `--models`) or `train` (one); returns the exit code. */
export async function runCommand(
  command: 'compare' | 'train',
  flags: RunFlags,
  names: readonly string[] = flags.models ?? comparedNames,
): Promise<ExitCode> {
  const resume = flags.resume !== undefined;
  const folder = resume ? resumedFolder(flags) : newFolder(flags);
  const settings = resume ? readRun(folder) : newSettings(command, flags, names);
  if (resume) refuseChanges(command, flags, names, settings);
  // Without the device no run is begun.
  const adapter = await useDevice(settings.device ?? 'cpu');
  if (!resume) createRun(folder, settings);
  if (adapter !== null && !flags.quiet && !flags.json) process.stdout.write(computing(adapter));
  const shown = shortPath(folder);
  const self = selfCommand();
  const interrupts = listenForInterrupts();
  try {
    return await executeRun({
      settings,
      folder: shown,
      resume,
      ...(adapter === null ? {} : { adapter: adapter.title }),
      // Processes that share one GPU only wait for each other.
      jobs: flags.jobs ?? (settings.device === 'webgpu' ? 1 : availableParallelism()),
      display: displayKind(flags, process.stdout.isTTY === true),
      output: process.stdout,
      interrupts,
      commands: {
        resume: resumeCommand(command, names, shown, settings.device),
        generate: (name) =>
          `${self} generate ${quote(join(shown, `${name}.safetensors`))} --prompt "The whale"`,
      },
    });
  } finally {
    interrupts.release();
  }
}

/** What is said of the device before a run; a program that plays a GPU should surprise nobody by its speed. */
function computing({ title, software }: { title: string; software: boolean }): string {
  const slow =
    'Its results are correct, but --device cpu is faster. For a quick look choose few steps, such as --steps 20.\n';
  return `Computing on ${title}.\n${software ? slow : ''}`;
}

function newFolder(flags: RunFlags): string {
  const base = userFolder();
  if (flags.out === undefined) return newRunFolder(base, new Date());
  const folder = resolve(base, flags.out);
  if (existsSync(join(folder, 'run.json'))) {
    throw usageError(
      `--out: the folder must not hold a run yet, got "${flags.out}" with run.json. Add --resume to go on with it, or choose another folder.`,
    );
  }
  return folder;
}

function resumedFolder(flags: RunFlags): string {
  const base = userFolder();
  if (typeof flags.resume === 'string' && flags.out !== undefined) {
    throw usageError(
      `--resume and --out: one folder must be given, got "${flags.resume}" and "${flags.out}". Leave --out out.`,
    );
  }
  const given = typeof flags.resume === 'string' ? flags.resume : flags.out;
  const folder = given === undefined ? latestRun(base) : resolve(base, given);
  if (folder === undefined)
    throw new LabError(
      EXIT.input,
      `--resume: there must be a run to go on with, got none under "${join(base, 'runs')}". Start one, or give its folder.`,
    );
  return folder;
}

/** A resumed run has its settings; options that would change them are refused. */
function refuseChanges(
  command: string,
  flags: RunFlags,
  names: readonly string[],
  settings: RunSettings,
): void {
  const fixed = [
    'text',
    'models',
    'seed',
    'steps',
    'minutes',
    'prompt',
    'dModel',
    'layers',
    'batch',
    'length',
    'learningRate',
  ] as const;
  const given = fixed.filter((flag) => flags[flag] !== undefined);
  if (given.length > 0) {
    const options = given
      .map((flag) => `--${flag.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`)
      .join(', ');
    throw usageError(
      `--resume: a resumed run keeps its settings, got ${options}. Leave the option out, or start a new run.`,
    );
  }
  const { device = 'cpu' } = settings;
  if (flags.device !== undefined && flags.device !== device) {
    throw usageError(
      `--resume: the run began with --device ${device} and goes on with it, got --device ${flags.device}. Leave the option out, or start a new run.`,
    );
  }
  const own = settings.recipes.map(({ name }) => name);
  if (command === 'train' && own.join() !== names.join()) {
    throw usageError(
      `train --resume: the run must be one of ${names.join()}, got one of ${own.join(', ')}. Use: compare --resume.`,
    );
  }
}

function newSettings(command: string, flags: RunFlags, names: readonly string[]): RunSettings {
  const source: TextSource =
    flags.text === undefined
      ? { kind: 'moby-dick' }
      : { kind: 'file', path: resolve(userFolder(), flags.text) };
  const text = loadText(source);
  const validationShare = 0.1;
  const split = splitText(text.text, validationShare);
  const changes: RecipeChanges = {
    ...flags,
    ...(flags.minutes === undefined ? {} : { stepFactor: stepFactorFor(names, flags.minutes) }),
  };
  const recipes = names.map((name) => recipe(name, split.vocabulary.symbols.length, changes));
  for (const { name, length } of recipes) {
    if (length >= split.train.length) {
      throw usageError(
        `--length: must be shorter than the training text of ${split.train.length} characters, got ${length} for ${name}. Shorten it or give a longer text.`,
      );
    }
  }
  return {
    version: 1,
    text: source,
    sha256: text.sha256,
    seed: flags.seed ?? 0,
    recipes,
    sample: {
      prompt:
        flags.prompt ??
        (source.kind === 'moby-dick' ? DEFAULT_PROMPT : [...text.text.trimStart()].slice(0, 8).join('')),
      characters: 400,
      temperature: 0.8,
    },
    validationShare,
    device: flags.device ?? 'cpu',
    created: new Date().toISOString(),
    repeat: repeatCommand(command, flags, names),
  };
}

function displayKind(flags: RunFlags, terminal: boolean): DisplayKind {
  if (flags.json) return 'json';
  if (flags.quiet) return 'quiet';
  return terminal ? 'live' : 'plain';
}

/** How the user called the lab: through `npm run demo`, by its name on the PATH, or as a file. */
export function selfCommand(argv: readonly string[] = process.argv): string {
  const script = argv[1] ?? 'seq-lab';
  return /\.[cm]?[jt]s$/.test(script) ? `node ${quote(relative(process.cwd(), script))}` : 'seq-lab';
}

function baseCommand(command: string, environment: NodeJS.ProcessEnv = process.env): string {
  return command === 'compare' && environment['npm_lifecycle_event'] === 'demo'
    ? 'npm run demo --'
    : `${selfCommand()} ${command}`;
}

/** Names the device although the run knows it: the bootstrap looks for it there to find an adapter. */
function resumeCommand(
  command: string,
  names: readonly string[],
  folder: string,
  device: DeviceName = 'cpu',
): string {
  const model = command === 'train' ? ` ${names.join()}` : '';
  const on = device === 'cpu' ? '' : ` --device ${device}`;
  return `${baseCommand(command)}${model} --resume ${quote(folder)}${on}`;
}

/** The command line of a new run with the same settings. */
function repeatCommand(command: string, flags: RunFlags, names: readonly string[]): string {
  const options: string[] =
    command === 'train' ? [...names] : flags.models ? [`--models ${names.join()}`] : [];
  const add = (option: string, value: string | number | undefined): void =>
    void (value !== undefined && options.push(`--${option} ${quote(String(value))}`));
  add('text', flags.text);
  add('seed', flags.seed);
  add('steps', flags.steps);
  add('minutes', flags.minutes);
  add('prompt', flags.prompt?.replaceAll('\n', '\\n'));
  add('d-model', flags.dModel);
  add('layers', flags.layers);
  add('batch', flags.batch);
  add('length', flags.length);
  add('learning-rate', flags.learningRate);
  add('device', flags.device);
  const base = baseCommand(command);
  return options.length === 0 ? base.replace(/ --$/, '') : `${base} ${options.join(' ')}`;
}

/** A path from the working folder when it lies inside, else the whole path. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? resolve(path) : short || '.';
}

/** A word of a command line: in quotes when a shell would split it. */
export function quote(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
