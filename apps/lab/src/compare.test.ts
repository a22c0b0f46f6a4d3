import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { executeRun } from './compare.js';
import type { RunRequest } from './compare.js';
import { splitText } from './data.js';
import { LabError, EXIT } from './errors.js';
import { exampleModel } from './fixtures.js';
import { recipe } from './recipes.js';
import { createRun, readRun } from './runfolder.js';
import type { Job } from './scheduler.js';
import type { ModelResult, RunResults, RunSettings, TrainingJob } from './types.js';
import { loadText } from './text.js';

const base = mkdtempSync(join(tmpdir(), 'seq-lab-compare-'));
const path = join(base, 'text.txt');
writeFileSync(path, 'the whale and the sea and the ship sail on. '.repeat(60));
const text = loadText({ kind: 'file', path });
const V = splitText(text.text).vocabulary.symbols.length;

const settings: RunSettings = {
  version: 1,
  text: { kind: 'file', path },
  sha256: text.sha256,
  seed: 0,
  recipes: ['2-gram', 'gru', 'lstm'].map((name) => recipe(name, V, { steps: 4 })),
  sample: { prompt: 'the ', characters: 8, temperature: 1 },
  validationShare: 0.1,
  created: '2026-11-22T00:00:00.000Z',
  repeat: 'npm run demo',
};

type Ending = 'done' | 'stopped' | Error;

interface Options extends Partial<Pick<RunRequest, 'resume' | 'display' | 'jobs' | 'makeJob'>> {
  code?: 130;
  stop?: AbortSignal;
  kill?: AbortSignal;
}

/** Runs with jobs that end as told; `code` is what an interrupt would have left. */
async function run(name: string, endings: Record<string, Ending>, o: Options = {}) {
  const folder = join(base, name);
  if (!o.resume) createRun(folder, settings);
  const started: string[] = [];
  let out = '';
  const output = new PassThrough().on('data', (part: Buffer) => (out += part.toString()));
  const exitCode = await executeRun({
    settings: readRun(folder),
    folder,
    resume: o.resume ?? false,
    jobs: o.jobs ?? 2,
    display: o.display ?? 'plain',
    output,
    interrupts: {
      stop: o.stop ?? new AbortController().signal,
      kill: o.kill ?? new AbortController().signal,
      exitCode: () => o.code,
      release() {},
    },
    commands: {
      resume: 'lab --resume it',
      generate: (model) => `lab generate ${model}`,
    },
    makeJob(job, cost, onEvent): Job<ModelResult> {
      if (o.makeJob) return o.makeJob(job, cost, onEvent);
      const { name: model } = job.recipe;
      return {
        name: model,
        cost,
        start() {
          started.push(model);
          const end = endings[model];
          const done =
            end === 'done'
              ? Promise.resolve(exampleModel(model, 2))
              : end === 'stopped'
                ? Promise.resolve(undefined)
                : Promise.reject(end);
          return { done, stop() {}, kill() {} };
        },
      };
    },
  });
  const results = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as RunResults;
  return { exitCode, out, started, results, folder };
}

describe('executeRun', () => {
  it('ends with 0, the tables, the samples and the files when every model is done', async () => {
    const { exitCode, out, results, folder } = await run('all', {
      '2-gram': 'done',
      gru: 'done',
      lstm: 'done',
    });
    expect(exitCode).toBe(EXIT.ok);
    expect(results.models.map(({ name }) => name)).toEqual(['2-gram', 'gru', 'lstm']);
    expect(results.missing).toEqual([]);
    for (const part of [
      'Validation is the last 264 characters.',
      'Floors, nats per character there:',
      'What each learned',
      'What each costs',
      'What each writes after "the "',
      'lab generate lstm',
    ])
      expect(out).toContain(part);
    expect(existsSync(join(folder, 'report.html'))).toBe(true);
  });

  it('starts what takes longest first', async () => {
    const { started } = await run('order', { '2-gram': 'done', gru: 'done', lstm: 'done' });
    expect(started.at(-1)).toBe('2-gram');
  });

  it('ends with 1 when a model fails, names it, and keeps the others', async () => {
    const { exitCode, out, results } = await run('failed', {
      '2-gram': 'done',
      gru: new Error('no memory'),
      lstm: 'done',
    });
    expect(exitCode).toBe(EXIT.failed);
    expect(results.models.map(({ name }) => name)).toEqual(['2-gram', 'lstm']);
    expect(results.missing).toEqual([{ name: 'gru', reason: 'failed' }]);
    expect(out).toContain('gru failed: no memory');
  });

  it('ends with the code of the failure when it has one', async () => {
    const { exitCode } = await run('damaged', {
      '2-gram': 'done',
      gru: new LabError(EXIT.input, 'damaged'),
      lstm: 'done',
    });
    expect(exitCode).toBe(EXIT.input);
  });

  it('ends with 130 when interrupted and says how to go on; a resumed run trains only what is missing', async () => {
    const first = await run('cut', { '2-gram': 'done', gru: 'done', lstm: 'stopped' }, { code: 130 });
    expect(first.exitCode).toBe(EXIT.interrupted);
    expect(first.results.missing).toEqual([{ name: 'lstm', reason: 'interrupted, saved' }]);
    expect(first.out).toContain('Checkpoints are saved. To go on:\n  lab --resume it');
    const second = await run('cut', { '2-gram': 'done', gru: 'done', lstm: 'done' }, { resume: true });
    expect(second.exitCode).toBe(EXIT.ok);
    expect(second.started).toEqual(['lstm']);
    expect(second.results.models.map(({ name }) => name)).toEqual(['2-gram', 'gru', 'lstm']);
    expect(second.results.seconds).toBeGreaterThan(first.results.seconds);
  });

  it('ends at once at the second Ctrl-C, with 130 and without calling it a failure', async () => {
    const [stop, kill] = [new AbortController(), new AbortController()];
    let end: (error: Error) => void = () => {};
    const stubborn = (job: TrainingJob, cost: number): Job<ModelResult> => ({
      name: job.recipe.name,
      cost,
      start: () => ({
        done: new Promise((_, reject) => (end = reject)),
        stop: () => setImmediate(() => kill.abort()),
        kill: () => end(new Error('SIGKILL')),
      }),
    });
    setImmediate(() => stop.abort());
    const { exitCode, out, results } = await run(
      'killed',
      {},
      { code: 130, makeJob: stubborn, stop: stop.signal, kill: kill.signal, jobs: 1 },
    );
    expect(exitCode).toBe(EXIT.interrupted);
    expect(results.missing.map(({ reason }) => reason).sort()).toEqual([
      'ended at once',
      'not started',
      'not started',
    ]);
    expect(out).toContain('Ended at once; the last checkpoints are kept. To go on:');
    expect(out).not.toContain('failed');
  });

  it('prints nothing but JSON with json, the results last', async () => {
    const { out } = await run('json', { '2-gram': 'done', gru: 'done', lstm: 'done' }, { display: 'json' });
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; models?: unknown[] });
    expect(lines.at(-1)!.type).toBe('results');
    expect(lines.at(-1)!.models).toHaveLength(3);
  });

  it('refuses to go on with a text that changed', async () => {
    createRun(join(base, 'changed'), { ...settings, sha256: 'other' });
    await expect(run('changed', {}, { resume: true })).rejects.toThrow(
      'must be the one that the run began with',
    );
  });
});
