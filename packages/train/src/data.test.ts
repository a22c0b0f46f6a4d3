import { createCpu, key, OptionError, ShapeError } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { contiguousStreams, randomCrops } from './data.js';
import type { Batches } from './data.js';

const ids = Array.from({ length: 101 }, (_, i) => i);

async function rows(data: Batches, step: number): Promise<number[][]> {
  return (await data.at(step).tokens.toArray()) as number[][];
}

describe('randomCrops', () => {
  test('every row is a stretch of the text', async () => {
    const data = randomCrops(ids, { B: 5, T: 7, seed: 3 });
    for (let step = 0; step < 20; step++) {
      for (const row of await rows(data, step)) {
        expect(row).toHaveLength(8);
        expect(row).toEqual(row.map((_, t) => row[0] + t));
      }
    }
    expect(data.at(0).fresh).toBe(true);
    expect(data.carried).toBe(false);
    expect(data.maxId).toBe(100);
  });

  test('the step and the seed decide, not the order of calls', async () => {
    const a = randomCrops(ids, { B: 4, T: 3, seed: 1 });
    const b = randomCrops(ids, { B: 4, T: 3, key: key(1) });
    const forwards = [await rows(a, 0), await rows(a, 1), await rows(a, 2)];
    const backwards = [await rows(b, 2), await rows(b, 1), await rows(b, 0)].reverse();
    expect(backwards).toEqual(forwards);
    expect(forwards[1]).not.toEqual(forwards[0]);
    expect(await rows(randomCrops(ids, { B: 4, T: 3, seed: 2 }), 0)).not.toEqual(forwards[0]);
  });

  test('all starts occur, the first and the last among them, about equally often', async () => {
    const short = ids.slice(0, 12);
    const data = randomCrops(short, { B: 64, T: 3, seed: 0 });
    const counts = new Array<number>(9).fill(0);
    for (let step = 0; step < 40; step++) for (const row of await rows(data, step)) counts[row[0]]++;
    const mean = (64 * 40) / 9;
    for (const n of counts) expect(Math.abs(n - mean)).toBeLessThan(5 * Math.sqrt(mean));
  });

  test('one plan serves all steps, and disposing gives the memory back', async () => {
    const device = createCpu();
    const data = randomCrops(ids, { B: 2, T: 3, device });
    const first = data.at(0).tokens;
    expect((await first.data()).length).toBe(8);
    first.dispose();
    const { plans } = device.counters;
    for (let step = 1; step < 5; step++) {
      const { tokens } = data.at(step);
      await tokens.data();
      tokens.dispose();
    }
    expect(device.counters.plans).toBe(plans);
    data.dispose();
    const streams = contiguousStreams(ids, { B: 2, T: 3, device });
    const { tokens } = streams.at(0);
    await tokens.data();
    tokens.dispose();
    streams.dispose();
    expect([device.memory().tensors, device.memory().bytes]).toEqual([0, 0]);
  });
});

describe('contiguousStreams', () => {
  test('rows go on where they ended, and begin anew after a pass', async () => {
    const data = contiguousStreams(ids, { B: 3, T: 10 }); // S = 33, 3 windows of 10
    expect(data.carried).toBe(true);
    const first = await rows(data, 0);
    expect(first.map((r) => [r[0], r[10]])).toEqual([
      [0, 10],
      [33, 43],
      [66, 76],
    ]);
    expect((await rows(data, 1)).map((r) => r[0])).toEqual([10, 43, 76]);
    expect((await rows(data, 2)).map((r) => r[10])).toEqual([30, 63, 96]);
    expect(await rows(data, 3)).toEqual(first);
    expect([0, 1, 2, 3, 4].map((s) => data.at(s).fresh)).toEqual([true, false, false, true, false]);
  });
});

test('wrong arguments are refused', () => {
  const wrong: [() => unknown, typeof OptionError | typeof ShapeError, RegExp][] = [
    [() => randomCrops(ids, { B: 0, T: 3 }), OptionError, /B must be a positive integer, got 0/],
    [
      () => randomCrops(ids, { B: 1, T: 101 }),
      ShapeError,
      /at least T \+ 1 = 102 token ids are needed, got 101/,
    ],
    [() => randomCrops([0, 1.5, 2], { B: 1, T: 1 }), OptionError, /integers ≥ 0, got 1.5 at 1/],
    [() => randomCrops([0, -1, 2], { B: 1, T: 1 }), OptionError, /got -1 at 1/],
    [() => contiguousStreams(ids, { B: 60, T: 2 }), ShapeError, /got 101 ids for B = 60 and T = 2/],
    [() => randomCrops(ids, { B: 1, T: 3 }).at(-1), OptionError, /step must be an integer ≥ 0, got -1/],
  ];
  for (const [f, kind, text] of wrong) {
    expect(f).toThrow(kind);
    expect(f).toThrow(text);
  }
});
