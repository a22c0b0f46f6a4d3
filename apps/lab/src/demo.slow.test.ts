import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EXIT } from './errors.js';
import { main } from './main.js';
import type { RunResults } from './types.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-demo-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Minutes that the demo may take. */
const limit = 3;

test('the demo ends in time, and its recurrent models and attention beat counting trigrams', async () => {
  const out = join(folder, 'run');
  expect(await main(['compare', '--quiet', '--out', out])).toBe(EXIT.ok);
  const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as RunResults;
  const losses = new Map(results.models.map(({ name, validation }) => [name, validation]));
  for (const name of ['gru', 'lstm', 'attention'])
    expect(losses.get(name), name).toBeLessThan(results.floors.trigram.nats);
  expect(results.missing).toEqual([]);
  expect(results.seconds).toBeLessThan(60 * limit);
}, 600_000);
