// A small RWKV-7 over bytes, against what rwkv.cpp and a forward in double precision recorded of it.
import type { Rwkv7StackState } from '@seq/linear-attn';
import type { LanguageModelState } from '@seq/lm';
import { countParams } from '@seq/nn';
import { compile, stack, swapAxes } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { fetched, worst } from './data.js';
import { rwkv7Model } from './rwkv7.js';
import type { Rwkv7Config } from './rwkv7.js';

const files = fetched('models/rwkv7-tiny');
const { absent, note } = files;

// The model's own program differs from double precision by 4e-7; ours computes all but norms in f32 as well.
const bound = 2e-6;

function load() {
  const config = files.json<Rwkv7Config & { params: number; bits_per_byte_on_ref_tokens: number }>(
    'config.json',
  );
  const { need } = files.tensors('ref.safetensors');
  return {
    ...rwkv7Model(files.tensors('model.safetensors'), config),
    config,
    need,
    tokens: need('tokens').expandDims(0),
    logits: need('logits').expandDims(0),
  };
}

/** Holds the state behind the last position against the recorded one, which has values before keys. */
async function expectState(state: LanguageModelState, need: (name: string) => Tensor): Promise<void> {
  const { layers } = state[0] as Rwkv7StackState;
  const all = (of: (layer: (typeof layers)[number]) => Tensor): Tensor => stack(layers.map(of)).squeeze(1);
  expect(
    await worst(
      all(({ time }) => time.S),
      swapAxes(need('state.S'), 2, 3),
      'relative',
    ),
  ).toBeLessThan(1e-5);
  expect(
    await worst(
      all(({ time }) => time.before.squeeze(1)),
      need('state.att_x'),
      'relative',
    ),
  ).toBeLessThan(1e-5);
  expect(
    await worst(
      all(({ channel }) => channel.before.squeeze(1)),
      need('state.ffn_x'),
      'relative',
    ),
  ).toBeLessThan(1e-5);
}

test.skipIf(absent)(`rwkv7-tiny, whole${note}`, async () => {
  const { lm, params, config, need, tokens, logits } = load();
  expect(countParams(params)).toBe(config.params);
  const [y, state] = lm.prefill(params, tokens, lm.initState(1));
  expect(await worst(y, logits)).toBeLessThan(bound);
  expect(await worst(lm.forward(params, tokens), logits)).toBeLessThan(bound);
  await expectState(state, need);
  const bits = (await lm.loss(params, tokens).item()) / Math.LN2;
  expect(Math.abs(bits - config.bits_per_byte_on_ref_tokens)).toBeLessThan(1e-5);
  const upstream = need('upstream.tokens').expandDims(0);
  const last = lm.forward(params, upstream).at(-1, 1).squeeze(0);
  expect(await worst(last, need('upstream.last_logits'))).toBeLessThan(bound);
});

test.skipIf(absent)(`rwkv7-tiny, byte by byte${note}`, async () => {
  const { lm, params, need, tokens, logits } = load();
  const step = compile((p: typeof params, token: Tensor, s: LanguageModelState) => lm.step(p, token, s));
  let state = lm.initState(1);
  const steps: Tensor[] = [];
  for (let t = 0; t < tokens.shape[1]; t++) {
    const [now, next] = step(params, tokens.at(t, 1), state);
    steps.push(now);
    state = next;
  }
  expect(await worst(stack(steps, 1), logits)).toBeLessThan(bound);
  await expectState(state, need);
});
