import { Script } from 'node:vm';
import { key } from '@seq/tensor';
import { describe, expect, it } from 'vitest';
import { recallReport, recallTable } from './report.js';
import { recallScript } from './report-script.js';
import { subjects } from './subjects.js';
import { chance, numKeys, recallTask, vocabSize } from './task.js';
import { trainRecall } from './train.js';
import type { RecallResults, RecallSettings } from './types.js';

const settings: RecallSettings = {
  seed: 0,
  steps: 120,
  pairs: [2],
  sizes: [8],
  tested: 64,
  repeat: 'seq-lab recall --out a<b',
};

describe('the task', () => {
  it('asks for every key once, and for the value that came with it', async () => {
    const [B, N] = [3, 6];
    const { tokens, answers } = recallTask(key(0), B, N);
    expect(tokens.shape).toEqual([B, 3 * N]);
    const [all, wanted] = [await tokens.data(), await answers.data()];
    let moved = 0;
    for (let b = 0; b < B; b++) {
      const row = [...all.subarray(b * 3 * N, (b + 1) * 3 * N)];
      const told = new Map(Array.from({ length: N }, (_, i) => [row[2 * i], row[2 * i + 1]]));
      expect(told.size).toBe(N);
      for (const [k, v] of told) {
        expect(k).toBeLessThan(numKeys);
        expect(v).toBeGreaterThanOrEqual(numKeys);
        expect(v).toBeLessThan(vocabSize);
      }
      const asked = row.slice(2 * N);
      expect(new Set(asked)).toEqual(new Set(told.keys()));
      asked.forEach((k, i) => {
        expect(wanted[b * N + i]).toBe(told.get(k));
        if (k !== row[2 * i]) moved++;
      });
    }
    expect(moved).toBeGreaterThan(0);
  });
});

describe('trainRecall', () => {
  it('a memory learns two pairs; the same seed gives the same numbers', async () => {
    const [subject] = subjects(settings.sizes);
    const { seconds, ...first } = await trainRecall(subject, settings);
    expect(first.accuracy[0]).toBeGreaterThan(0.5);
    expect(first.stateFloats).toBe(8 * 8 + 64);
    expect(seconds).toBeGreaterThan(0);
    const short = { ...settings, steps: 3 };
    const [{ seconds: a, ...once }, { seconds: b, ...again }] = [
      await trainRecall(subject, short),
      await trainRecall(subject, short),
    ];
    expect(again).toEqual(once);
    expect([a, b].every(Number.isFinite)).toBe(true);
  });

  it('the state of attention grows with the sequence, that of a memory does not', () => {
    const [memory, , attention] = subjects([8]);
    const at = (T: number) => ({ B: 1, T: 1, form: 'step', past: T - 1 }) as const;
    expect(memory.lm.cost(at(100)).stateFloats).toBe(memory.lm.cost(at(10)).stateFloats);
    expect(attention.lm.cost(at(100)).stateFloats).toBeGreaterThan(5 * attention.lm.cost(at(10)).stateFloats);
  });
});

describe('the report', () => {
  const results: RecallResults = {
    version: 1,
    settings: { ...settings, pairs: [4, 16] },
    models: [
      {
        name: 'a',
        title: 'memory <a>',
        mechanism: 'deltaRule',
        size: 8,
        stateFloats: 128,
        params: 1234,
        accuracy: [1, 0.256],
        loss: 0.5,
        seconds: 3,
      },
    ],
    chance,
    seconds: 65,
  };

  it('has a row for each model and a column for each number of pairs', () => {
    const { head, rows } = recallTable(results);
    expect(head).toContain('16 pairs');
    expect(rows).toEqual([['memory <a>', '128', '1,234', '100 %', '26 %', '0.50', '3']]);
  });

  it('escapes what it shows, carries its data, and its script is one', () => {
    const page = recallReport(results);
    expect(page).toContain('memory &lt;a&gt;');
    expect(page).toContain('--out a&lt;b');
    expect(page).not.toContain('memory <a>');
    expect(() => new Script(recallScript)).not.toThrow();
    const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)![1]);
    expect(data.models[0].accuracy).toEqual([1, 0.256]);
  });
});
