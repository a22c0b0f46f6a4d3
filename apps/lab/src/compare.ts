import { mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { splitText } from './data.js';
import type { Split } from './data.js';
import { EXIT, LabError, inputError, messageOf } from './errors.js';
import type { ExitCode } from './errors.js';
import type { Interrupts } from './interrupts.js';
import { ngramFloors } from './ngram.js';
import { processJob } from './processes.js';
import { createDisplay } from './progress.js';
import type { DisplayKind } from './progress.js';
import { expectedSeconds } from './recipes.js';
import { renderReport } from './report.js';
import { readResults, writeWhole } from './runfolder.js';
import { runJobs } from './scheduler.js';
import type { Job, Outcome } from './scheduler.js';
import { resultTables, samples, textHeader } from './summary.js';
import type {
  ModelResult,
  RunResults,
  RunSettings,
  TextSummary,
  TrainingEvent,
  TrainingJob,
} from './types.js';
import { loadText } from './text.js';
import type { LoadedText } from './text.js';

/** A run and how to go about it. */
export interface RunRequest {
  readonly settings: RunSettings;
  readonly folder: string;
  /** Go on from what the folder holds. */
  readonly resume: boolean;
  /** Models trained side by side. */
  readonly jobs: number;
  /** What computes, where it is not the CPU. */
  readonly adapter?: string;
  readonly display: DisplayKind;
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly interrupts: Interrupts;
  /** The command lines that go on with this run, and that let one of its models write. */
  readonly commands: {
    readonly resume: string;
    readonly generate: (name: string) => string;
  };
  /** Makes the job of a model; processes unless a test says otherwise. */
  readonly makeJob?: (
    job: TrainingJob,
    cost: number,
    onEvent: (event: TrainingEvent) => void,
  ) => Job<ModelResult>;
}

/** Trains the models of a run side by side, shows how it goes, writes results and report; returns the exit code. */
export async function executeRun(request: RunRequest): Promise<ExitCode> {
  const { settings, folder, output, interrupts } = request;
  const began = performance.now();
  const text = loadText(settings.text);
  if (text.sha256 !== settings.sha256) {
    throw inputError(
      `--resume: the text must be the one that the run began with, got another one in "${text.title}". Restore it, or start a new run.`,
    );
  }
  const split = splitText(text.text, settings.validationShare);
  const floors = ngramFloors(split.tokens, split.cut, split.vocabulary.symbols.length);
  const before = request.resume ? readResults(folder) : undefined;
  const finished = new Map((before?.models ?? []).map((model) => [model.name, model]));
  const results = (outcomes: readonly Outcome<ModelResult>[]): RunResults => ({
    version: 1,
    settings,
    text: summarise(text, split),
    floors,
    models: settings.recipes.flatMap(({ name }) => finished.get(name) ?? []),
    missing: settings.recipes
      .filter(({ name }) => !finished.has(name))
      .map(({ name }) => ({
        name,
        reason: reasonOf(
          outcomes.find((o) => o.name === name),
          interrupts.kill.aborted,
        ),
      })),
    seconds: (before?.seconds ?? 0) + (performance.now() - began) / 1000,
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
      cores: cpus().length,
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      ...(request.adapter === undefined ? {} : { adapter: request.adapter }),
    },
  });
  const save = (now: RunResults): void => {
    mkdirSync(folder, { recursive: true });
    writeWhole(join(folder, 'results.json'), `${JSON.stringify(now, null, 2)}\n`);
    writeWhole(join(folder, 'report.html'), renderReport(now, settings.repeat));
  };

  const talks = request.display === 'live' || request.display === 'plain';
  const say = (line: string): void => void (talks && output.write(`${line}\n`));
  say(`${textHeader(summarise(text, split), floors)}\n`);
  if (finished.size > 0) say(`Finished before: ${[...finished.keys()].join(', ')}.`);

  const todo = settings.recipes.filter(({ name }) => !finished.has(name));
  const display = createDisplay(
    request.display,
    { costs: new Map(todo.map((recipe) => [recipe.name, expectedSeconds(recipe)])), jobs: request.jobs },
    output,
  );
  const onStop = (): void =>
    display.note('\nSaving the models … (Ctrl-C again ends at once, without saving)');
  interrupts.stop.addEventListener('abort', onStop);
  const { recipes: _, ...common } = settings;
  const outcomes = await runJobs(
    todo.map((recipe) =>
      (request.makeJob ?? processJob)(
        { ...common, recipe, out: folder, resume: request.resume },
        expectedSeconds(recipe),
        (event) => display.event(recipe.name, event),
      ),
    ),
    {
      concurrency: request.jobs,
      stop: interrupts.stop,
      kill: interrupts.kill,
      onStart: (name) => display.start(name),
      onEnd(outcome) {
        display.end(outcome);
        if (outcome.status !== 'done') return;
        finished.set(outcome.name, outcome.result);
        save(results([]));
      },
    },
  ).finally(() => {
    interrupts.stop.removeEventListener('abort', onStop);
    display.close();
  });

  const last = results(outcomes);
  save(last);
  if (request.display === 'json') output.write(`${JSON.stringify({ type: 'results', folder, ...last })}\n`);
  else output.write(closing(last, outcomes, request));
  return exitCodeOf(outcomes, interrupts);
}

function summarise(text: LoadedText, split: Split): TextSummary {
  return {
    title: text.title,
    characters: split.tokens.length,
    trainCharacters: split.cut,
    validationCharacters: split.validationCharacters,
    vocabSize: split.vocabulary.symbols.length,
    unknown: split.unknown,
  };
}

function reasonOf(outcome: Outcome<ModelResult> | undefined, killed: boolean): string {
  if (outcome?.status === 'failed') return killed ? 'ended at once' : 'failed';
  return outcome?.status === 'stopped' ? 'interrupted, saved' : 'not started';
}

/** What is printed at the end: tables and samples, failures, where everything is, how to go on. */
function closing(
  results: RunResults,
  outcomes: readonly Outcome<ModelResult>[],
  { folder, display, commands, interrupts }: RunRequest,
): string {
  const parts: string[] = [];
  if (results.models.length > 0) {
    parts.push(resultTables(results));
    if (display !== 'quiet') parts.push(samples(results));
  }
  const killed = interrupts.kill.aborted;
  for (const outcome of outcomes)
    if (outcome.status === 'failed' && !killed)
      parts.push(`${outcome.name} failed: ${messageOf(outcome.error)}`);
  if (results.missing.length > 0) {
    const stopped = outcomes.some(({ status }) => status === 'stopped' || status === 'waiting');
    const kept = killed
      ? 'Ended at once; the last checkpoints are kept.'
      : stopped
        ? 'Checkpoints are saved.'
        : 'What is finished is kept.';
    parts.push(`${kept} To go on:\n  ${commands.resume}`);
  }
  const first = results.models[0];
  parts.push(
    [
      `Report:      ${join(folder, 'report.html')}`,
      `Checkpoints: ${join(folder, '<model>.safetensors')}`,
      ...(first ? [`More text:   ${commands.generate(results.models.at(-1)!.name)}`] : []),
    ].join('\n'),
  );
  return `\n${parts.join('\n\n')}\n`;
}

/** 0 when every model is done; the signal's code after an interrupt; else that of the failures when they agree, or 1. */
function exitCodeOf(outcomes: readonly Outcome<ModelResult>[], interrupts: Interrupts): ExitCode {
  if (outcomes.every(({ status }) => status === 'done')) return EXIT.ok;
  const interrupted = interrupts.exitCode();
  if (interrupted !== undefined) return interrupted;
  const codes = new Set(
    outcomes.flatMap((o) =>
      o.status === 'failed' ? [o.error instanceof LabError ? o.error.exitCode : EXIT.failed] : [],
    ),
  );
  return codes.size === 1 ? [...codes][0] : EXIT.failed;
}
