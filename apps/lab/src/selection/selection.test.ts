import { Script } from 'node:vm';
import { disposeTree, key } from '@seq/tensor';
import { describe, expect, it } from 'vitest';
import { selectionReport, selectionTable } from './report.js';
import { selectionScript } from './report-script.js';
import { subjects } from './subjects.js';
import type { Subject } from './subjects.js';
import { copied, inductionHeads, selectiveCopying, unasked, vocabSize } from './tasks.js';
import { trainSelection } from './train.js';
import type { SelectionResults, SelectionSettings } from './types.js';

const settings: SelectionSettings = {
  seed: 0,
  steps: 160,
  dModel: 16,
  lengths: { copying: 12, induction: 8 },
  factors: [1, 2],
  tested: 64,
  repeat: 'seq-lab selection --out a<b',
};
const subject = (name: string): Subject => subjects.find((s) => s.name === name)!;

/** Rows of a batch as lists. */
async function drawn(task: typeof selectiveCopying, B: number, T: number): Promise<[number[], number[]][]> {
  const batch = await task.draw(key(0), B, T);
  const [tokens, targets] = [await batch.tokens.data(), await batch.targets.data()];
  const width = batch.tokens.shape[1];
  disposeTree(batch);
  const row = (list: ArrayLike<number>, b: number): number[] =>
    Array.from({ length: width }, (_, t) => list[b * width + t]);
  return Array.from({ length: B }, (_, b) => [row(tokens, b), row(targets, b)]);
}

describe('selective copying', () => {
  it('asks for the tokens among the noise, in their order', async () => {
    const rows = await drawn(selectiveCopying, 20, 15);
    for (const [tokens, targets] of rows) {
      const data = tokens.slice(0, 15).filter((token) => token !== 0);
      expect(data).toHaveLength(copied);
      expect(Math.min(...data)).toBeGreaterThanOrEqual(2);
      expect(Math.max(...data)).toBeLessThan(vocabSize);
      expect(tokens.slice(15)).toEqual(Array(copied).fill(1));
      expect(targets).toEqual([...Array(15).fill(unasked), ...data]);
    }
    const places = rows.map(([tokens]) => tokens.map((token) => (token > 1 ? 1 : 0)).join(''));
    expect(new Set(places).size).toBeGreaterThan(15);
  });
});

describe('induction heads', () => {
  it('ends with the mark that was there once, and asks for what stood behind it', async () => {
    for (const [tokens, targets] of await drawn(inductionHeads, 20, 9)) {
      const marks = [...tokens.keys()].filter((t) => tokens[t] === 0);
      expect(marks).toHaveLength(2);
      expect(marks[1]).toBe(8);
      expect(marks[0]).toBeLessThan(7);
      expect(targets).toEqual([...Array(8).fill(unasked), tokens[marks[0] + 1]]);
    }
  });
});

describe('trainSelection', () => {
  it('a state that selects learns short sequences; the curve ends with the last step', async () => {
    const result = await trainSelection(inductionHeads, subject('mamba'), settings);
    expect(result.curve.at(-1)?.step).toBe(settings.steps);
    expect(result.curve.at(-1)!.loss).toBeLessThan(result.curve[0].loss);
    expect(result.accuracy).toHaveLength(2);
    expect(result.accuracy[0]).toBeGreaterThan(4 * inductionHeads.chance);
    expect(result.stateFloats).toBe(2 * (32 * 16 + 32 * 3));
  });

  it('the same seed gives the same numbers, for every subject', async () => {
    const short = { ...settings, steps: 2, tested: 32 };
    for (const each of subjects) {
      const { seconds: _, ...once } = await trainSelection(selectiveCopying, each, short);
      const { seconds: __, ...again } = await trainSelection(selectiveCopying, each, short);
      expect(again).toEqual(once);
    }
  });
});

describe('the report', () => {
  const results: SelectionResults = {
    version: 1,
    settings,
    results: [
      {
        task: 'copying',
        name: 'a',
        title: 'model <a>',
        selects: false,
        params: 1234,
        stateFloats: 512,
        curve: [{ step: 1, accuracy: 0.1, loss: 2.6 }],
        accuracy: [0.5, 0.256],
        seconds: 3,
      },
    ],
    chance: { copying: selectiveCopying.chance, induction: inductionHeads.chance },
    seconds: 65,
  };

  it('has a row for each model of a task and a column for each length', () => {
    const { head, rows } = selectionTable(results, selectiveCopying);
    expect(head).toContain('24 tokens');
    expect(rows).toEqual([['model <a>', 'no', '1,234', '512', '50 %', '26 %', '3']]);
    expect(selectionTable(results, inductionHeads).rows).toEqual([]);
  });

  it('escapes what it shows, carries its data, and its script is one', () => {
    const page = selectionReport(results);
    expect(page).toContain('model &lt;a&gt;');
    expect(page).toContain('--out a&lt;b');
    expect(page).not.toContain('model <a>');
    expect(() => new Script(selectionScript)).not.toThrow();
    const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)![1]);
    expect(data.results[0].curve).toEqual([{ step: 1, accuracy: 0.1, loss: 2.6 }]);
  });
});
