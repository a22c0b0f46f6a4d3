import { attention } from '@seq/attention';
import { gru } from '@seq/rnn';
import { cpu, createCpu, disposeTree, IndexError, key, OptionError, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { languageModel } from './index.js';
import type { GenerateOptions, LanguageModel, LanguageModelParams } from './index.js';

const V = 13;
const C = 8;
const lm: LanguageModel = languageModel({
  vocabSize: V,
  dModel: C,
  mixers: [gru({ dModel: C }), attention({ dModel: C, numHeads: 2 })],
});

/** Parameters with sharp preferences, so that a wrong state would show in the ids. */
function sharp(device = cpu()): LanguageModelParams {
  const drawn = key(7, { device });
  const params = lm.init(drawn, { device });
  const { embedding, head } = params;
  const sharper = {
    ...params,
    embedding: { weight: embedding!.weight.mul(100) },
    head: { weight: head!.weight.mul(200) },
  };
  // Left to the collector they would go at any moment, and memory is counted here.
  disposeTree([drawn, embedding, head]);
  return sharper;
}

async function collect(
  o: GenerateOptions,
  prompt: ArrayLike<number> = [1, 2, 3],
  params = sharp(),
): Promise<number[]> {
  const out: number[] = [];
  for await (const id of lm.generate(params, prompt, o)) out.push(id);
  return out;
}

describe('generate', () => {
  test('greedy is what forward says at every position', async () => {
    const params = sharp();
    const out = await collect({ maxNewTokens: 20, temperature: 0 }, [1, 2, 3], params);
    expect(out).toHaveLength(20);
    const all = [1, 2, 3, ...out];
    const logits = (await lm
      .forward(params, tensor(Int32Array.from(all), { shape: [1, all.length] }))
      .toArray()) as number[][][];
    const likeliest = logits[0].map((row) => row.indexOf(Math.max(...row)));
    expect(out).toEqual(likeliest.slice(2, -1));
    expect(new Set(out).size).toBeGreaterThan(1);
  });

  test('the key decides, and temperature, topK and topP act', async () => {
    const o = { maxNewTokens: 30, temperature: 1.5 };
    const a = await collect({ ...o, key: key(1) });
    expect(await collect({ ...o, key: key(1) })).toEqual(a);
    expect(await collect({ ...o, key: key(2) })).not.toEqual(a);
    const greedy = await collect({ maxNewTokens: 30, temperature: 0 });
    expect(await collect({ ...o, topK: 1, key: key(1) })).toEqual(greedy);
    expect(await collect({ ...o, topP: 1e-6, key: key(1) })).toEqual(greedy);
    expect(await collect({ ...o, temperature: 1e-4, key: key(1) })).toEqual(greedy);
    expect(a).not.toEqual(greedy);
  });

  test('a prompt longer than one chunk gives what forward gives', async () => {
    const params = sharp();
    const prompt = Array.from({ length: 700 }, (_, i) => (i * 5 + (i >> 3)) % V);
    const [first] = await collect({ maxNewTokens: 1, temperature: 0 }, prompt, params);
    const logits = lm.forward(params, tensor(Int32Array.from(prompt), { shape: [1, 700] })).at(-1, 1);
    expect(first).toBe(await logits.argMax(-1).item());
  });

  test('stops at an id or where a function says so; the last id is given', async () => {
    const all = await collect({ maxNewTokens: 25, temperature: 0 });
    const at = all.indexOf(all[10]);
    expect(await collect({ maxNewTokens: 25, temperature: 0, stop: [all[10]] })).toEqual(
      all.slice(0, at + 1),
    );
    expect(await collect({ maxNewTokens: 25, temperature: 0, stop: (_, index) => index === 4 })).toEqual(
      all.slice(0, 5),
    );
    expect(await collect({ maxNewTokens: 0 })).toEqual([]);
    const controller = new AbortController();
    const seen: number[] = [];
    for await (const id of lm.generate(sharp(), [1], { maxNewTokens: 1000, signal: controller.signal })) {
      seen.push(id);
      if (seen.length === 3) controller.abort();
    }
    expect(seen).toHaveLength(3);
  });

  test('memory and plans stay constant, and nothing is left over', async () => {
    const device = createCpu();
    const params = sharp(device);
    await params.head!.weight.realize();
    await params.embedding!.weight.realize();
    await collect({ maxNewTokens: 3 }, [1], params); // makes the plan
    const before = device.memory();
    const sizes: number[] = [];
    const bytes: number[] = [];
    let plans = 0;
    for await (const id of lm.generate(params, [1, 2], { maxNewTokens: 60 })) {
      expect(id).toBeLessThan(V);
      sizes.push(device.memory().tensors);
      bytes.push(device.memory().bytes);
      plans ||= device.counters.plans;
    }
    expect(new Set(sizes.slice(1)).size).toBe(1);
    expect(new Set(bytes.slice(1)).size).toBe(1);
    expect(device.counters.plans).toBe(plans);
    expect(device.memory().tensors).toBe(before.tensors);
    expect(device.memory().bytes).toBe(before.bytes);

    for await (const id of lm.generate(params, [1, 2], { maxNewTokens: 60 })) if (id >= 0) break;
    expect(device.memory().tensors).toBe(before.tensors);
  });

  test('timers run while it generates', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await collect({ maxNewTokens: 2000, temperature: 1 }, [1]);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2);
  });

  test('errors name the rule and the remedy', async () => {
    const wrong: [() => Promise<unknown>, typeof OptionError | typeof IndexError, RegExp][] = [
      [() => collect({ maxNewTokens: 1 }, []), OptionError, /prompt must have at least one id, got none/],
      [
        () => collect({ maxNewTokens: 1 }, [1, V]),
        IndexError,
        /ids must be integers in \[0, 13\), got 13 at 1/,
      ],
      [() => collect({ maxNewTokens: -1 }), OptionError, /maxNewTokens must be an integer ≥ 0, got -1/],
      [
        () => collect({ maxNewTokens: 1, temperature: -2 }),
        OptionError,
        /temperature must be a number ≥ 0, got -2/,
      ],
      [() => collect({ maxNewTokens: 1, topK: 1.5 }), OptionError, /topK/],
    ];
    for (const [f, kind, text] of wrong) {
      await expect(f()).rejects.toThrow(kind);
      await expect(f()).rejects.toThrow(text);
    }
  });
});
