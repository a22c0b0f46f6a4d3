import { key } from '@seq/tensor';
import { describe, expect, it } from 'vitest';
import { addingProblem, baseline, remedies, trainRemedy } from './adding.js';
import type { Remedy } from './adding.js';

const settings = { seed: 0, distance: 10, hidden: 16, draws: 1, length: 8, steps: 200, repeat: '' };
const remedy = (name: string): Remedy => remedies.find((r) => r.name === name)!;

describe('the adding problem', () => {
  it('marks one number in each half, and asks for their sum', async () => {
    const [B, T] = [64, 9];
    const { x, answer } = addingProblem(key(0), B, T);
    const [data, sums] = [await x.data(), await answer.data()];
    for (let b = 0; b < B; b++) {
      const marked = Array.from({ length: T }, (_, t) => t).filter((t) => data[(b * T + t) * 2 + 1] === 1);
      expect(marked).toHaveLength(2);
      expect(marked[0]).toBeLessThan(4);
      expect(marked[1]).toBeGreaterThanOrEqual(4);
      const sum = marked.reduce((all, t) => all + data[(b * T + t) * 2], 0);
      expect(sums[b]).toBeCloseTo(sum, 6);
    }
  });

  it('always answering 1 errs by the baseline', async () => {
    const { answer } = addingProblem(key(1), 20_000, 4);
    expect(await answer.sub(1).square().mean().item()).toBeCloseTo(baseline, 2);
  });
});

describe('trainRemedy', () => {
  it('a GRU learns short sequences; the curve ends with the last step', async () => {
    const result = await trainRemedy(remedy('gru'), settings);
    expect(result.test).toBeLessThan(0.03);
    expect(result.curve.at(-1)?.step).toBe(200);
    expect(result.curve[0].loss).toBeGreaterThan(result.curve.at(-1)!.loss);
    expect(result.params).toBe(3 * 16 * (2 + 16 + 2) + 2 * 16 + 2);
  });

  it('the same seed gives the same numbers', async () => {
    const short = { ...settings, steps: 5 };
    const { seconds: _, ...once } = await trainRemedy(remedy('irnn-clip'), short);
    const { seconds: __, ...again } = await trainRemedy(remedy('irnn-clip'), short);
    expect(again).toEqual(once);
    const unclipped = await trainRemedy(remedy('irnn'), short);
    expect(unclipped.curve[0]).toEqual(once.curve[0]); // the same weights and batches
    expect(unclipped.test).not.toBe(once.test);
  });

  it('a training that runs away ends with no number, not with an error', async () => {
    const wild: Remedy = {
      ...remedy('irnn'),
      mixer(H, T) {
        const mixer = remedy('irnn').mixer(H, T);
        return {
          ...mixer,
          init: (k, o) => {
            const params = mixer.init(k, o);
            return { ...params, weightHh: params.weightHh.mul(1e6) };
          },
        };
      },
    };
    const result = await trainRemedy(wild, { ...settings, steps: 20 });
    expect(result.test).toBeNull();
    expect(result.largestGradient).toBeNull();
    expect(result.curve).toEqual([]);
  });
});
