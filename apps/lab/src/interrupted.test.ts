import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import type { RunResults } from './types.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-interrupted-'));
const text = join(folder, 'text.txt');
writeFileSync(text, 'the whale and the sea and the ship sail on. '.repeat(100));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const cli = fileURLToPath(new URL('./cli.ts', import.meta.url));

/** Runs the program; sends it a signal when `interruptAt` appears in its output. */
function lab(
  args: string[],
  interruptAt?: RegExp,
  signal: NodeJS.Signals = 'SIGINT',
): Promise<{ code: number | null; out: string; errors: string }> {
  const { INIT_CWD: _, npm_lifecycle_event: __, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', tsx, cli, ...args], {
    cwd: folder,
    env: { ...env, NO_COLOR: '1' },
  });
  let [out, errors, sent] = ['', '', false];
  child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
  child.stdout.on('data', (part: Buffer) => {
    out += part.toString();
    if (interruptAt?.test(out) && !sent) {
      sent = true;
      child.kill(signal);
    }
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, errors })));
}

const results = (run: string): RunResults =>
  JSON.parse(readFileSync(join(folder, run, 'results.json'), 'utf8')) as RunResults;

const sizes = ['--d-model', '16', '--batch', '4', '--length', '32', '--steps', '200'];
const args = ['train', 'gru', '--text', text, '--seed', '2', ...sizes];
const firstSteps = /gru +step \d+/;

/** What a run found, times left out. */
const numbers = (run: string): object[] =>
  results(run).models.map(({ name, steps, validation, curve, sample }) => ({
    name,
    steps,
    validation,
    curve,
    sample,
  }));

describe('a run in processes', () => {
  it('trains, prints tables and exits with 0', async () => {
    const whole = await lab([...args, '--out', 'whole']);
    expect(whole.errors).toBe('');
    expect(whole.code).toBe(0);
    expect(whole.out).toMatch(/What each learned/);
  }, 60_000);

  it('saves at Ctrl-C, exits with 130, and ends as if nothing had happened when resumed', async () => {
    const cut = await lab([...args, '--out', 'cut'], firstSteps);
    expect(cut.errors).toBe('');
    expect(cut.code).toBe(130);
    expect(/--resume (\S+)/.exec(cut.out)![1]).toBe('cut');
    expect(results('cut').missing).toEqual([{ name: 'gru', reason: 'interrupted, saved' }]);

    const resumed = await lab(['train', 'gru', '--resume', 'cut']);
    expect(resumed.errors).toBe('');
    expect(resumed.code).toBe(0);
    expect(results('cut').missing).toEqual([]);
    expect(numbers('cut')).toEqual(numbers('whole'));
  }, 60_000);

  it('saves when the program is killed from outside, and can be resumed', async () => {
    const killed = await lab([...args, '--out', 'killed'], firstSteps, 'SIGKILL');
    expect(killed.code).toBeNull();
    const checkpoint = join(folder, 'killed', 'gru.safetensors');
    await vi.waitFor(() => expect(existsSync(checkpoint)).toBe(true), { timeout: 20_000, interval: 100 });

    const resumed = await lab(['train', 'gru', '--resume', 'killed']);
    expect(resumed.errors).toBe('');
    expect(resumed.code).toBe(0);
    expect(numbers('killed')).toEqual(numbers('whole'));
  }, 60_000);
});
