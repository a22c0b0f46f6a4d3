import { createCpu, key, OptionError, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { sample } from './sample.js';
import type { SampleOptions } from './sample.js';

const logits = [1.5, -0.5, 2, 0, -Infinity, 2];

async function shares(o: SampleOptions, n = 20_000): Promise<number[]> {
  const rows: Tensor = tensor(logits).broadcastTo([n, logits.length]);
  const ids = await sample(rows, key(3), o).data();
  const counts = logits.map(() => 0);
  for (const id of ids) counts[id] += 1 / n;
  return counts;
}

function softmaxOf(values: number[]): number[] {
  const e = values.map(Math.exp);
  const total = e.reduce((a, b) => a + b);
  return e.map((v) => v / total);
}

function near(got: number[], want: number[]): void {
  got.forEach((g, i) => expect(Math.abs(g - want[i]), `id ${i}: ${g} for ${want[i]}`).toBeLessThan(0.015));
}

describe('sample', () => {
  test('draws from the softmax, at any temperature', async () => {
    near(await shares({}), softmaxOf(logits));
    near(await shares({ temperature: 0.5 }), softmaxOf(logits.map((v) => v / 0.5)));
    near(await shares({ temperature: tensor(2) }), softmaxOf(logits.map((v) => v / 2)));
  });

  test('topK keeps the k likeliest, equal ones in the order of ids', async () => {
    near(await shares({ topK: 3 }), softmaxOf(logits.map((v, i) => ([0, 2, 5].includes(i) ? v : -Infinity))));
    const one = await shares({ topK: 1 }, 200);
    expect(one[2]).toBeCloseTo(1, 9);
    near(await shares({ topK: 99 }), softmaxOf(logits));
  });

  test('topP keeps the fewest likeliest that reach the sum', async () => {
    const p = softmaxOf(logits); // ids 2 and 5 hold about 0.34 each, id 0 about 0.21
    near(
      await shares({ topP: p[2] + p[5] - 0.01 }),
      softmaxOf(logits.map((v, i) => ([2, 5].includes(i) ? v : -Infinity))),
    );
    near(
      await shares({ topP: p[2] + p[5] + 0.01 }),
      softmaxOf(logits.map((v, i) => ([0, 2, 5].includes(i) ? v : -Infinity))),
    );
    near(await shares({ topP: tensor(1e-9) }, 200), [0, 0, 1, 0, 0, 0]);
    near(await shares({ topP: 1 }), p);
  });

  test('topK and topP together: topP counts within the k', async () => {
    const p = softmaxOf([2, 2, 1.5]);
    near(
      await shares({ topK: 3, topP: p[0] + p[1] - 0.01 }),
      softmaxOf(logits.map((v, i) => ([2, 5].includes(i) ? v : -Infinity))),
    );
  });

  test('temperature 0 takes the likeliest, the first of equals', async () => {
    expect(await sample(tensor(logits), key(1), { temperature: 0 }).item()).toBe(2);
  });

  test('shapes, types and the key', async () => {
    const x = tensor([
      [logits, logits],
      [logits, logits],
    ]);
    const ids = sample(x, key(1), { topK: 4, topP: 0.9 });
    expect([ids.shape, ids.dtype]).toEqual([[2, 2], 'i32']);
    expect(await sample(x, key(1), { topK: 4, topP: 0.9 }).data()).toEqual(await ids.data());
    expect(sample(tensor(logits), key(1)).shape).toEqual([]);
  });

  test('a device that runs references draws the same', async () => {
    const device = createCpu({ references: true });
    const o = { topK: 4, topP: 0.9, temperature: 0.7 };
    const here = await sample(tensor(logits).broadcastTo([50, 6]), key(8), o).data();
    const there = await sample(tensor(logits, { device }).broadcastTo([50, 6]), key(8, { device }), o).data();
    expect(there).toEqual(here);
  });

  test('wrong options are refused', () => {
    const wrong: [SampleOptions, RegExp][] = [
      [{ temperature: -1 }, /temperature must be a number ≥ 0, got -1/],
      [{ topK: 0 }, /topK must be a positive integer, got 0/],
      [{ topP: 1.5 }, /topP must be in \(0, 1\], got 1.5/],
    ];
    for (const [o, text] of wrong) {
      expect(() => sample(tensor(logits), key(1), o)).toThrow(OptionError);
      expect(() => sample(tensor(logits), key(1), o)).toThrow(text);
    }
  });
});
