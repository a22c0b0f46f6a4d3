import { attention } from '@seq/attention';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { gru } from '@seq/rnn';
import { createCpu, IndexError, key, OptionError, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { evaluate } from './evaluate.js';

const V = 7;
const C = 6;
const recurrent = languageModel({ vocabSize: V, dModel: C, mixers: [gru({ dModel: C })] });
const cached = languageModel({ vocabSize: V, dModel: C, mixers: [attention({ dModel: C, numHeads: 1 })] });
const text = Array.from({ length: 53 }, (_, i) => (i * i + (i >> 2)) % V);

const paramsOf = (lm: LanguageModel): LanguageModelParams => {
  const p = lm.init(key(2), { dtype: 'f64' });
  return {
    ...p,
    embedding: { weight: p.embedding!.weight.mul(60) },
    head: { weight: p.head!.weight.mul(60) },
  };
};

/** Negative log-probabilities of the tokens of a stretch after its first. */
async function nats(lm: LanguageModel, params: LanguageModelParams, ids: number[]): Promise<number[]> {
  const scores = lm.score(params, tensor(Int32Array.from(ids), { shape: [1, ids.length] }));
  return Array.from(await scores.data(), (s) => -s);
}

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

describe('evaluate with a carried state', () => {
  test('one row is the whole text with all of its past, whatever the window', async () => {
    const params = paramsOf(recurrent);
    const want = sum(await nats(recurrent, params, text)) / 52;
    for (const T of [1, 4, 52, 100]) {
      const got = await evaluate(recurrent, params, text, { B: 1, T });
      expect(got.tokens).toBe(52);
      expect(Math.abs(got.nats - want)).toBeLessThan(1e-12);
    }
  });

  test('several rows: each token once, seeing its own row', async () => {
    const params = paramsOf(recurrent);
    for (const B of [3, 5, 60]) {
      const S = Math.ceil(52 / B);
      let total = 0;
      let scored = 0;
      for (let b = 0; b < B; b++) {
        const row = text.slice(b * S, Math.min((b + 1) * S, 52) + 1);
        if (row.length < 2) continue;
        total += sum(await nats(recurrent, params, row));
        scored += row.length - 1;
      }
      expect(scored).toBe(52);
      const got = await evaluate(recurrent, params, text, { B, T: 4 });
      expect(Math.abs(got.nats - total / 52)).toBeLessThan(1e-12);
    }
  });

  test('is what a cache does not get unless asked for', async () => {
    const params = paramsOf(cached);
    const whole = sum(await nats(cached, params, text)) / 52;
    expect((await evaluate(cached, params, text, { B: 1, T: 52 })).nats).toBeCloseTo(whole, 12);
    expect((await evaluate(cached, params, text, { B: 1, T: 8 })).nats).not.toBeCloseTo(whole, 3);
    expect((await evaluate(cached, params, text, { B: 1, T: 8, carry: true })).nats).toBeCloseTo(whole, 12);
  });
});

describe('evaluate by windows', () => {
  test.each([0, 1, 3, 7])('overlap %i: every token once, with the context promised', async (overlap) => {
    const T = 8;
    const params = paramsOf(cached);
    let total = 0;
    let scored = 0;
    for (let from = 0; scored < 52; from += T - overlap) {
      const own = await nats(cached, params, text.slice(from, from + T + 1));
      const counted = own.slice(from === 0 ? 0 : overlap);
      total += sum(counted);
      scored += counted.length;
    }
    expect(scored).toBe(52);
    for (const B of [1, 3]) {
      const got = await evaluate(cached, params, text, { B, T, overlap });
      expect(got.tokens).toBe(52);
      expect(Math.abs(got.nats - total / 52)).toBeLessThan(1e-12);
    }
  });

  test('short texts and texts that fill windows exactly', async () => {
    const params = paramsOf(cached);
    for (const n of [2, 3, 9, 17]) {
      const got = await evaluate(cached, params, text.slice(0, n), { B: 2, T: 8 });
      expect(got.tokens).toBe(n - 1);
      let total = 0;
      for (let from = 0; from < n - 1; from += 8)
        total += sum(await nats(cached, params, text.slice(from, Math.min(from + 9, n))));
      expect(Math.abs(got.nats - total / (n - 1))).toBeLessThan(1e-12);
    }
  });
});

test('leaves nothing behind, makes one plan, and can be aborted', async () => {
  const device = createCpu();
  const params = recurrent.init(key(1, { device }), { device });
  await evaluate(recurrent, params, text, { B: 2, T: 8 });
  const { plans } = device.counters;
  const before = device.memory();
  await evaluate(recurrent, params, text, { B: 2, T: 8 });
  expect(device.counters.plans).toBe(plans);
  expect(device.memory().tensors).toBe(before.tensors);
  await expect(evaluate(recurrent, params, text, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});

test('wrong arguments are refused', async () => {
  const params = recurrent.init(key(1));
  await expect(evaluate(recurrent, params, [1])).rejects.toThrow(
    /at least two tokens are needed to predict one, got 1/,
  );
  await expect(evaluate(recurrent, params, [1, V])).rejects.toThrow(IndexError);
  await expect(evaluate(recurrent, params, text, { T: 4, overlap: 4, carry: false })).rejects.toThrow(
    /overlap must be an integer in \[0, T = 4\), got 4/,
  );
  await expect(evaluate(recurrent, params, text, { overlap: 1 })).rejects.toThrow(OptionError);
  await expect(evaluate(recurrent, params, text, { B: 0 })).rejects.toThrow(/B must be a positive integer/);
});
