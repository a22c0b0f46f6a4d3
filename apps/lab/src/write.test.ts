import { attention } from '@seq/attention';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { gru } from '@seq/rnn';
import { key } from '@seq/tensor';
import { describe, expect, it } from 'vitest';
import { stateGrows, writeTokens } from './write.js';

const sizes = { vocabSize: 7, dModel: 8, feedForward: false } as const;
const recurrent = languageModel({ ...sizes, mixers: [gru({ dModel: 8 })] });
const cached = languageModel({ ...sizes, mixers: [attention({ dModel: 8, numHeads: 2 })] });

/** The model, with a record of what it was asked to go on from and for how long. */
function recorded(lm: LanguageModel): { lm: LanguageModel; calls: { prompt: number[]; count: number }[] } {
  const calls: { prompt: number[]; count: number }[] = [];
  const generate: LanguageModel['generate'] = (params, prompt, o) => {
    calls.push({ prompt: Array.from(prompt), count: o.maxNewTokens });
    return lm.generate(params, prompt, o);
  };
  return { lm: { ...lm, generate }, calls };
}

async function write(lm: LanguageModel, params: LanguageModelParams, prompt: number[], count: number) {
  const tokens: number[] = [];
  const options = { count, window: 8, temperature: 1, key: key(4) };
  for await (const token of writeTokens(lm, params, Int32Array.from(prompt), options)) tokens.push(token);
  return tokens;
}

describe('writeTokens', () => {
  it('tells caches from states of constant size', () => {
    expect([stateGrows(cached), stateGrows(recurrent)]).toEqual([true, false]);
  });

  it('lets a state of constant size go on without a break', async () => {
    const { lm, calls } = recorded(recurrent);
    expect(await write(lm, lm.init(key(1)), [1, 2], 30)).toHaveLength(30);
    expect(calls).toEqual([{ prompt: [1, 2], count: 30 }]);
  });

  it('keeps a cache within the window and goes on from its last half', async () => {
    const { lm, calls } = recorded(cached);
    const tokens = await write(lm, lm.init(key(1)), [1, 2], 12);
    expect(tokens).toHaveLength(12);
    expect(calls).toEqual([
      { prompt: [1, 2], count: 6 },
      { prompt: tokens.slice(2, 6), count: 4 },
      { prompt: tokens.slice(6, 10), count: 2 },
    ]);
  });

  it('reads only the end of a prompt that is longer than the window', async () => {
    const { lm, calls } = recorded(cached);
    await write(lm, lm.init(key(1)), [0, 1, 2, 3, 4, 5, 6, 0, 1], 2);
    expect(calls).toEqual([{ prompt: [5, 6, 0, 1], count: 2 }]);
  });

  it('gives the same for the same key', async () => {
    const params = cached.init(key(1));
    expect(await write(cached, params, [3], 20)).toEqual(await write(cached, params, [3], 20));
  });
});
