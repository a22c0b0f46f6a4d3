// A small Llama that tells stories, against what llama2.c recorded of it.
import type { AttentionCore } from '@seq/attention';
import { flashAttention } from '@seq/flash';
import type { LanguageModelState } from '@seq/lm';
import { countParams } from '@seq/nn';
import { compile, stack } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { loadKernels } from '@seq/tensor/engine';
import { testDevices } from '@seq/testing/golden';
import { expect, test } from 'vitest';
import { fetched, worst } from './data.js';
import { llama } from './llama.js';
import type { LlamaConfig } from './llama.js';

await loadKernels();

const place = 'models/llama-stories260k';
const files = fetched(place);
const { absent, note } = files;

function load() {
  const config = files.json<LlamaConfig & { params: number; nll_nats_per_token_on_ref: number }>(
    'config.json',
  );
  const { need } = files.tensors('ref.safetensors');
  return {
    ...llama(files.tensors('model.safetensors'), config),
    config,
    tokens: need('tokens').expandDims(0),
    logits: need('logits').expandDims(0),
    story: need('greedy_from_bos'),
  };
}

test.skipIf(absent)(`llama-stories260k, whole${note}`, async () => {
  const { lm, params, config, tokens, logits } = load();
  expect(countParams(params)).toBe(config.params);
  expect(await worst(lm.forward(params, tokens), logits)).toBeLessThan(4e-5);
  const nats = await lm.loss(params, tokens).item();
  expect(Math.abs(nats - config.nll_nats_per_token_on_ref)).toBeLessThan(1e-6);
});

test.skipIf(absent)(`llama-stories260k, token by token behind a prompt${note}`, async () => {
  const { lm, params, tokens, logits } = load();
  const step = compile((p: typeof params, token: Tensor, s: LanguageModelState) => lm.step(p, token, s));
  const [first, prefilled] = lm.prefill(params, tokens.slice(1, 0, 9), lm.initState(1));
  let state = prefilled;
  const steps: Tensor[] = [];
  for (let t = 9; t < tokens.shape[1]; t++) {
    const [now, next] = step(params, tokens.at(t, 1), state);
    steps.push(now);
    state = next;
  }
  expect(await worst(first, logits.slice(1, 0, 9))).toBeLessThan(4e-5);
  expect(await worst(stack(steps, 1), logits.slice(1, 9))).toBeLessThan(4e-5);
});

// The story is long enough to leave the prompt behind, and every one of its tokens depends on all before.
const cores: [string, AttentionCore?][] = [['its own attention'], ['flash attention', flashAttention]];
for (const { kind, device, reason } of testDevices())
  test.skipIf(absent || !device).each(cores)(
    `llama-stories260k tells its recorded story on ${kind}${device ? note : ` (skipped: ${reason})`}, by %s`,
    async (_, core) => {
      const { config, story } = load();
      const { lm, params } = llama(fetched(place, device).tensors('model.safetensors'), config, core);
      const want = [...(await story.data())];
      const bos = 1;
      const ids: number[] = [];
      for await (const id of lm.generate(params, [bos], { maxNewTokens: want.length, temperature: 0 }))
        ids.push(id);
      expect(want).toHaveLength(256);
      expect(ids).toEqual(want);
    },
  );
