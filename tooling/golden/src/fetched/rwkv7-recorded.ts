// What rwkv.cpp and a forward in double precision recorded of a small RWKV-7 over bytes, held against it on a device.
import type { Rwkv7StackState } from '@seq/linear-attn';
import type { LanguageModelState } from '@seq/lm';
import { countParams } from '@seq/nn';
import { compile, stack, swapAxes } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import type { TestDevice } from '@seq/testing/golden';
import { expect, test } from 'vitest';
import { fetched, worst } from './data.js';
import { rwkv7Model } from './rwkv7.js';
import type { Rwkv7Config } from './rwkv7.js';

const place = 'models/rwkv7-tiny';
const { absent, note } = fetched(place);

// The model's own program differs from double precision by 4e-7; ours computes all but norms in f32 as well.
const bound = 2e-6;

function load(device: Device) {
  const files = fetched(place, device);
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

/** Tests of the recorded logits and states on a device, whole and byte by byte. */
export function recordedRwkv7({ kind, device, reason }: TestDevice): void {
  const missing = absent || !device;
  const on = { device: device! };
  const title = (what: string): string =>
    `rwkv7-tiny on ${kind}, ${what}${note}${device ? '' : ` (no ${kind}: ${reason})`}`;

  test.skipIf(missing)(title('whole'), async () => {
    const { lm, params, config, need, tokens, logits } = load(device!);
    expect(countParams(params)).toBe(config.params);
    const [y, state] = lm.prefill(params, tokens, lm.initState(1, on));
    expect(await worst(y, logits)).toBeLessThan(bound);
    expect(await worst(lm.forward(params, tokens), logits)).toBeLessThan(bound);
    await expectState(state, need);
    const bits = (await lm.loss(params, tokens).item()) / Math.LN2;
    expect(Math.abs(bits - config.bits_per_byte_on_ref_tokens)).toBeLessThan(1e-5);
    const upstream = need('upstream.tokens').expandDims(0);
    const last = lm.forward(params, upstream).at(-1, 1).squeeze(0);
    expect(await worst(last, need('upstream.last_logits'))).toBeLessThan(bound);
  });

  test.skipIf(missing)(title('byte by byte'), async () => {
    const { lm, params, need, tokens, logits } = load(device!);
    const step = compile((p: typeof params, token: Tensor, s: LanguageModelState) => lm.step(p, token, s));
    let state = lm.initState(1, on);
    const steps: Tensor[] = [];
    for (let t = 0; t < tokens.shape[1]; t++) {
      const [now, next] = step(params, tokens.at(t, 1), state);
      steps.push(now);
      state = next;
    }
    expect(await worst(stack(steps, 1), logits)).toBeLessThan(bound);
    await expectState(state, need);
  });
}
