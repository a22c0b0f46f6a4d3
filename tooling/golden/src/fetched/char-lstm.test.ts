// A character model trained in TensorFlow on Shakespeare, against what PyTorch's operations recorded of it.
import type { LanguageModelState } from '@seq/lm';
import { countParams } from '@seq/nn';
import type { LstmState } from '@seq/rnn';
import { compile, stack } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { charLstm } from './char-lstm.js';
import { fetched, worst } from './data.js';

const files = fetched('models/lstm-shakespeare');
const { absent, note } = files;

interface Config {
  readonly params: number;
  readonly stoi: Readonly<Record<string, number>>;
  readonly bits_per_char_ref: number;
}

function load() {
  const { need } = files.tensors('ref.safetensors');
  return {
    ...charLstm(files.tensors('model.safetensors')),
    config: files.json<Config>('config.json'),
    tokens: need('tokens').expandDims(0),
    logits: need('logits').expandDims(0),
    state: { h: need('h').expandDims(1), c: need('c').expandDims(1) }, // [2, 1, 128] each
  };
}

/** What lies between a state and the recorded one; the cells run to tens. */
async function apart(state: LanguageModelState, want: { h: Tensor; c: Tensor }): Promise<number> {
  const cells = state as unknown as readonly LstmState[];
  const h = await worst(stack(cells.map((s) => s.h)), want.h);
  return Math.max(h, await worst(stack(cells.map((s) => s.c)), want.c, 'relative'));
}

test.skipIf(absent)(`lstm-shakespeare, whole${note}`, async () => {
  const { lm, params, config, tokens, logits, state } = load();
  expect(countParams(params)).toBe(config.params);
  expect(await worst(lm.forward(params, tokens), logits)).toBeLessThan(4e-5);
  const [prefilled, last] = lm.prefill(params, tokens, lm.initState(1));
  expect(await worst(prefilled, logits)).toBeLessThan(4e-5);
  expect(await apart(last, state)).toBeLessThan(1e-5);
  const bits = (await lm.loss(params, tokens).item()) / Math.LN2;
  expect(Math.abs(bits - config.bits_per_char_ref)).toBeLessThan(1e-6);
});

test.skipIf(absent)(`lstm-shakespeare, character by character${note}`, async () => {
  const { lm, params, tokens, logits, state } = load();
  const step = compile((p: typeof params, token: Tensor, s: LanguageModelState) => lm.step(p, token, s));
  let last = lm.initState(1);
  const steps: Tensor[] = [];
  for (let t = 0; t < tokens.shape[1]; t++) {
    const [now, next] = step(params, tokens.at(t, 1), last);
    steps.push(now);
    last = next;
  }
  expect(await worst(stack(steps, 1), logits)).toBeLessThan(4e-5);
  expect(await apart(last, state)).toBeLessThan(1e-5);
});

test.skipIf(absent)(`lstm-shakespeare goes on with the likeliest recorded character${note}`, async () => {
  const { lm, params, config, tokens, logits } = load();
  const ids = [...(await tokens.data())];
  const likeliest = [...(await logits.at(0).argMax().data())];
  for (const n of [1, 40, 256]) {
    const given: number[] = [];
    for await (const id of lm.generate(params, ids.slice(0, n), { maxNewTokens: 1, temperature: 0 }))
      given.push(id);
    expect(given).toEqual([likeliest[n - 1]]);
  }
  const prompt = [...'ROMEO:'].map((c) => config.stoi[c]);
  const letters = Object.fromEntries(Object.entries(config.stoi).map(([c, id]) => [id, c]));
  let text = '';
  for await (const id of lm.generate(params, prompt, { maxNewTokens: 60, temperature: 0 }))
    text += letters[id];
  expect(text.trimStart()).toMatch(/^Murder me to the stranger than the sea\nThe stranger/);
});
