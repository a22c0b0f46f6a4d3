import { describe, expect, test } from 'vitest';
import * as s from './index.js';
import { everything, inputsOn, run } from './testkit-programs.js';
import { list } from './testkit.js';

const bits = async (ts: readonly s.Tensor[]): Promise<number[][]> => Promise.all(ts.map(list));

describe('random programs give the same bits', () => {
  const plain = s.createCpu();
  const poisoned = s.createCpu({ poison: true });
  test.each(Array.from({ length: 150 }, (_, i) => i + 1))('seed %i', async (seed) => {
    const f = everything(run(seed, 4 + (seed % 20)));
    const want = await bits(f(inputsOn(plain, seed)));
    expect(want.flat().every(Number.isFinite)).toBe(true);
    // Recorded and run with recycled memory full of NaN.
    expect(await bits(f(inputsOn(poisoned, seed)))).toEqual(want);
    // As a plan, replayed.
    const compiled = s.compile(f);
    const inputs = inputsOn(poisoned, seed);
    expect(await bits(compiled(inputs))).toEqual(want);
    expect(await bits(compiled(inputs))).toEqual(want);
    compiled.dispose();
    // With arguments whose memory the plan may use for results.
    const donating = s.compile(f, { donate: [0] });
    expect(await bits(donating(inputsOn(poisoned, seed)))).toEqual(want);
    donating.dispose();
    // Once more inside a loop of one step.
    const [, looped] = s.scan(
      (c: null, xs: readonly s.Tensor[]): [null, s.Tensor[]] => [c, run(seed, 4 + (seed % 20))(xs)],
      null,
      inputsOn(poisoned, seed).map((x) => x.expandDims(0)),
    );
    expect(await bits(looped)).toEqual(want.slice(1, 5));
  });
});
