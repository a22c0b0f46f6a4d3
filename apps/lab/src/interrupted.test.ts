import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { RunResults } from './types.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-interrupted-'));
const text = join(folder, 'text.txt');
writeFileSync(text, 'the whale and the sea and the ship sail on. '.repeat(100));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const cli = fileURLToPath(new URL('./cli.ts', import.meta.url));

/** Runs the program; sends Ctrl-C's signal when `interruptAt` appears in its output. */
function lab(
  args: string[],
  interruptAt?: RegExp,
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
      child.kill('SIGINT');
    }
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, errors })));
}

const results = (run: string): RunResults =>
  JSON.parse(readFileSync(join(folder, run, 'results.json'), 'utf8')) as RunResults;

describe('a run in processes', () => {
  it(
    'saves at Ctrl-C, exits with 130, and ends as if nothing had happened when resumed',
    { timeout: 120_000 },
    async () => {
      const args = [
        'train',
        'gru',
        '--text',
        text,
        '--steps',
        '200',
        '--d-model',
        '16',
        '--batch',
        '4',
        '--length',
        '32',
        '--seed',
        '2',
      ];
      const whole = await lab([...args, '--out', 'whole']);
      expect(whole.errors).toBe('');
      expect(whole.code).toBe(0);
      expect(whole.out).toMatch(/What each learned/);

      const cut = await lab([...args, '--out', 'cut'], /gru +step \d+/);
      expect(cut.errors).toBe('');
      expect(cut.code).toBe(130);
      const again = /--resume (\S+)/.exec(cut.out)!;
      expect(again[1]).toBe('cut');
      expect(results('cut').missing).toEqual([{ name: 'gru', reason: 'interrupted, saved' }]);

      const resumed = await lab(['train', 'gru', '--resume', 'cut']);
      expect(resumed.errors).toBe('');
      expect(resumed.code).toBe(0);
      expect(results('cut').missing).toEqual([]);
      const numbers = (run: string): object[] =>
        results(run).models.map(({ name, steps, validation, curve, sample }) => ({
          name,
          steps,
          validation,
          curve,
          sample,
        }));
      expect(numbers('cut')).toEqual(numbers('whole'));
    },
  );
});
