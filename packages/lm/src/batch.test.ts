import { attention } from '@seq/attention';
import { cnn } from '@seq/conv';
import type { Mixer } from '@seq/nn';
import { ema, gru, lstm } from '@seq/rnn';
import { cpu, createCpu, disposeTree, key, OptionError, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { languageModel, repetitionPenalty } from './index.js';
import type { GenerateOptions, LanguageModel, LanguageModelParams, ScoredToken } from './index.js';

const V = 13;
const C = 8;
const model = (...mixers: Mixer[]): LanguageModel => languageModel({ vocabSize: V, dModel: C, mixers });
const lm = model(gru({ dModel: C }), attention({ dModel: C, numHeads: 2, rope: true }));

/** Parameters with sharp preferences, so that a wrong state would show in the ids. */
function sharp(of: LanguageModel, seed = 7, device = cpu()): LanguageModelParams {
  const drawn = key(seed, { device });
  const params = of.init(drawn, { device });
  const { embedding, head } = params;
  const sharper = {
    ...params,
    embedding: { weight: embedding!.weight.mul(20) },
    head: { weight: head!.weight.mul(200) },
  };
  // Left to the collector they would go at any moment, and memory is counted here.
  disposeTree([drawn, embedding, head]);
  return sharper;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

/** The ids of each row of a batch. */
async function rowsOf(
  of: LanguageModel,
  params: LanguageModelParams,
  prompts: readonly number[][],
  o: GenerateOptions,
): Promise<number[][]> {
  const steps = await all(of.generateBatch(params, prompts, o));
  return prompts.map((_, b) => steps.map((ids) => ids[b]).filter((id) => id !== null));
}

const prompt = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => (i * seed + (i >> 2) + seed) % V);

describe('generateBatch', () => {
  const models: [string, LanguageModel][] = [
    ['gru and attention', lm],
    ['attention without positions', model(attention({ dModel: C, numHeads: 2, rope: false }))],
    ['ema and lstm', model(ema({ dModel: C }), lstm({ dModel: C }))],
    ['cnn', model(cnn({ dModel: C }))],
  ];
  test.each(models)('greedy, each row is its single generation: %s', async (_, of) => {
    const params = sharp(of);
    const o = { maxNewTokens: 12, temperature: 0 };
    for (const lengths of [[5, 1, 9, 2], [4, 4], [3]]) {
      const prompts = lengths.map((n, b) => prompt(n, 3 + 2 * b));
      const single = await Promise.all(prompts.map((p) => all(of.generate(params, p, o))));
      expect(await rowsOf(of, params, prompts, o)).toEqual(single);
      expect(new Set(single.flat()).size).toBeGreaterThan(2);
    }
  });

  test('prompts that end in different chunks, and on their borders', async () => {
    const params = sharp(lm);
    const o = { maxNewTokens: 6, temperature: 0, repetitionPenalty: 1.3 };
    const prompts = [700, 3, 512, 513].map((n, b) => prompt(n, 3 + 2 * b));
    const single = await Promise.all(prompts.map((p) => all(lm.generate(params, p, o))));
    expect(await rowsOf(lm, params, prompts, o)).toEqual(single);
  });

  test('rows end for themselves; a function is told the row; the key decides', async () => {
    const params = sharp(lm);
    const prompts = [prompt(5, 3), prompt(2, 4)];
    const o = { maxNewTokens: 9, temperature: 1.5 };
    const stop = (_: number, index: number, row: number): boolean => index === (row === 0 ? 2 : 5);
    const steps = await all(lm.generateBatch(params, prompts, { ...o, stop, key: key(3) }));
    expect(steps.map((ids) => ids.map((id) => id !== null))).toEqual(
      [0, 1, 2, 3, 4, 5].map((n) => [n <= 2, true]),
    );
    const full = await rowsOf(lm, params, prompts, { ...o, key: key(3) });
    expect(steps.map((ids) => ids[1])).toEqual(full[1].slice(0, 6));
    expect(await rowsOf(lm, params, prompts, { ...o, key: key(4) })).not.toEqual(full);
    const id = full[0][4];
    const ended = await rowsOf(lm, params, prompts, { ...o, key: key(3), stop: [id] });
    expect(ended[0]).toEqual(full[0].slice(0, full[0].indexOf(id) + 1));
  });

  test('one plan serves all tokens, memory stays constant, nothing is left over', async () => {
    const device = createCpu();
    const params = sharp(lm, 7, device);
    await params.head!.weight.realize();
    await params.embedding!.weight.realize();
    const o = { maxNewTokens: 40, temperature: 0.9, topK: 5, topP: 0.9, repetitionPenalty: 1.2 };
    const prompts = [prompt(5, 3), prompt(2, 4), prompt(7, 5)];
    await all(lm.generateBatch(params, prompts, { ...o, maxNewTokens: 8 })); // makes the plan, packs weights
    const before = device.memory();
    const seen = new Set<string>();
    let plans = 0;
    let n = 0;
    for await (const ids of lm.generateBatch(params, prompts, o)) {
      expect(ids).toHaveLength(3);
      plans ||= device.counters.plans;
      if (n++ > 0) seen.add(`${device.memory().tensors} ${device.memory().bytes}`);
    }
    expect(n).toBe(40);
    expect(seen.size).toBe(1);
    expect(device.counters.plans).toBe(plans);
    expect(device.memory().tensors).toBe(before.tensors);
    expect(device.memory().bytes).toBe(before.bytes);
  });

  test('errors name the prompt', async () => {
    const params = sharp(lm);
    const run = (prompts: number[][]): Promise<unknown> =>
      all(lm.generateBatch(params, prompts, { maxNewTokens: 1 }));
    await expect(run([])).rejects.toThrow(/lm.generateBatch: there must be at least one prompt, got none/);
    await expect(run([[1], []])).rejects.toThrow(/prompt 1 must have at least one id, got none/);
    await expect(run([[1], [2, V]])).rejects.toThrow(/ids must be integers in \[0, 13\), got 13 at 1/);
  });
});

describe('prefill with lengths', () => {
  test('lastOnly gives the logits of each row at its own last position', async () => {
    const params = sharp(lm);
    const lengths = tensor(Int32Array.from([3, 5, 1]));
    const tokens = tensor(Int32Array.from(prompt(15, 5)), { shape: [3, 5] });
    const state = (): ReturnType<typeof lm.initState> => lm.initState(3, { maxLength: 8 });
    const [full] = lm.prefill(params, tokens, state(), { lengths });
    const [last] = lm.prefill(params, tokens, state(), { lengths, lastOnly: true });
    const rows = (await full.toArray()) as number[][][];
    const got = (await last.toArray()) as number[][];
    [2, 4, 0].forEach((t, b) => got[b].forEach((x, v) => expect(x).toBeCloseTo(rows[b][t][v], 3)));
  });
});

describe('generateWithScores', () => {
  test('gives the ids of generate, with what score says of them', async () => {
    const params = sharp(lm);
    const start = prompt(4, 3);
    for (const o of [
      { maxNewTokens: 15, temperature: 0 },
      { maxNewTokens: 15, temperature: 1.7, topK: 6, topP: 0.95, repetitionPenalty: 1.4, key: key(5) },
    ]) {
      const scored: ScoredToken[] = await all(lm.generateWithScores(params, start, o));
      const ids = scored.map((s) => s.id);
      expect(ids).toEqual(await all(lm.generate(params, start, o)));
      const text = tensor(Int32Array.from([...start, ...ids]), { shape: [1, start.length + 15] });
      const wanted = [...(await lm.score(params, text).data())].slice(start.length - 1);
      scored.forEach(({ logProb }, i) => {
        expect(logProb).toBeLessThanOrEqual(0);
        expect(Math.abs(logProb - wanted[i])).toBeLessThan(1e-3);
      });
      expect(Math.min(...wanted)).toBeLessThan(-0.01);
    }
  });
});

describe('repetitionPenalty', () => {
  test('divides what is positive and multiplies what is not, of the ids that occurred', async () => {
    const logits = tensor([
      [2, -2, 0, 4],
      [1, -1, 3, -3],
    ]);
    const seen = tensor([
      [true, true, true, false],
      [false, false, true, true],
    ]);
    const wanted = [
      [1, -4, 0, 4],
      [1, -1, 1.5, -6],
    ];
    expect(await repetitionPenalty(logits, seen, 2).toArray()).toEqual(wanted);
    expect(await repetitionPenalty(logits, seen, tensor(2)).toArray()).toEqual(wanted);
    expect(await repetitionPenalty(logits, seen, 1).toArray()).toEqual(await logits.toArray());
    expect(() => repetitionPenalty(logits, seen, 0)).toThrow(OptionError);
  });

  test('greedy with a strong penalty gives every id once before any repeats, those of the prompt last', async () => {
    const params = sharp(lm);
    const positive = { ...params, head: { weight: params.head!.weight.mul(0.01) } };
    const out = await all(
      lm.generate(positive, [1, 2, 3], { maxNewTokens: 5, temperature: 0, repetitionPenalty: 1e6 }),
    );
    expect(new Set([1, 2, 3, ...out]).size).toBe(8);
    const plain = await all(lm.generate(positive, [1, 2, 3], { maxNewTokens: 5, temperature: 0 }));
    const same = await all(
      lm.generate(positive, [1, 2, 3], { maxNewTokens: 5, temperature: 0, repetitionPenalty: 1 }),
    );
    expect(same).toEqual(plain);
    await expect(all(lm.generate(params, [1], { maxNewTokens: 1, repetitionPenalty: -1 }))).rejects.toThrow(
      /lm.generate: repetitionPenalty must be a finite number > 0, got -1/,
    );
  });
});
