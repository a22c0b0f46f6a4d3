// A character model of children's stories trained in PyTorch, against what nn.GRUCell recorded of it.
import type { LanguageModelState } from '@seq/lm';
import { countParams } from '@seq/nn';
import { compile, explain, stack } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { fetched, worst } from './data.js';
import { memoryGru, storyGru } from './story-gru.js';
import type { MemoryGruState } from './story-gru.js';

const files = fetched('models/gru-tinystories');
const { absent, note } = files;

interface Config {
  readonly params: number;
  readonly chars: readonly string[];
  readonly bits_per_char_ref: number;
}

function load() {
  const { need } = files.tensors('ref.safetensors');
  return {
    ...storyGru(files.tensors('model.safetensors')),
    config: files.json<Config>('config.json'),
    tokens: need('tokens').expandDims(0),
    logits: need('logits').expandDims(0),
    state: { h: need('h'), memory: need('memory') },
  };
}

async function apart(state: LanguageModelState, want: { h: Tensor; memory: Tensor }): Promise<number> {
  const { h, memory } = state[0] as MemoryGruState;
  return Math.max(await worst(h, want.h), await worst(memory, want.memory));
}

conformance(memoryGru, { small: { dModel: 4, block: 5000 } });

test.skipIf(absent)(`gru-tinystories, whole${note}`, async () => {
  const { lm, params, config, tokens, logits, state } = load();
  expect(countParams(params)).toBe(config.params);
  expect(lm.cost({ B: 1, T: 1, form: 'step' }).params).toBe(config.params);
  const cost = lm.cost({ B: 1, T: tokens.shape[1], form: 'forward' });
  const plan = explain((p: typeof params, t: Tensor) => lm.forward(p, t), params, tokens);
  expect(cost.matmulFlops).toBe(plan.matmulFlops);
  expect(Math.abs(cost.flops / plan.flops - 1)).toBeLessThan(0.01);
  expect(await worst(lm.forward(params, tokens), logits)).toBeLessThan(4e-5);
  const [prefilled, last] = lm.prefill(params, tokens, lm.initState(1));
  expect(await worst(prefilled, logits)).toBeLessThan(4e-5);
  expect(await apart(last, state)).toBeLessThan(4e-6);
  const bits = (await lm.loss(params, tokens).item()) / Math.LN2;
  expect(Math.abs(bits - config.bits_per_char_ref)).toBeLessThan(1e-6);
});

test.skipIf(absent)(`gru-tinystories, character by character${note}`, async () => {
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
  expect(await apart(last, state)).toBeLessThan(4e-6);
});

test.skipIf(absent)(`gru-tinystories tells a story${note}`, async () => {
  const { lm, params, config } = load();
  const prompt = [...'Once upon a time'].map((c) => config.chars.indexOf(c));
  let text = '';
  for await (const id of lm.generate(params, prompt, { maxNewTokens: 60, temperature: 0 }))
    text += config.chars[id];
  expect(text).toMatch(/^, there was a little girl named Lily\. She loved to play/);
});
