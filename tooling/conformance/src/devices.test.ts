import { attention } from '@seq/attention';
import { bigram, cnn } from '@seq/conv';
import { languageModel } from '@seq/lm';
import { cloneState } from '@seq/nn';
import { ema, gru, lstm } from '@seq/rnn';
import { createCpu, key, randomInt, tensor, treeLeaves } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { testDevices } from '@seq/testing';
import { adamw, trainStep } from '@seq/train';
import { loadKernels } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

await loadKernels();

// The engine under everything at once: a hybrid of all mechanisms is trained, scored and made to write on every
// device, and must do what it does on a plain CPU device. (@seq/tensor cannot test itself with packages above it.)

const C = 16;
const V = 11;
const lm = languageModel({
  vocabSize: V,
  dModel: C,
  mixers: [
    gru({ dModel: C }),
    attention({ dModel: C, numHeads: 4, numKvHeads: 2, rope: true }),
    cnn({ dModel: C, convWidth: 3, dilations: [1, 2] }),
    lstm({ dModel: C, hiddenDim: 12 }),
    ema({ dModel: C }),
    bigram({ dModel: C }),
  ],
  feedForward: { hidden: 24 },
});

interface Story {
  losses: number[];
  params: number[];
  scores: number[];
  written: number[];
}

async function live(device: Device): Promise<Story> {
  const step = trainStep(lm, adamw({ lr: 0.01 }));
  let params = lm.init(key(1, { device }), { device });
  let state = adamw({ lr: 0.01 }).init(params);
  const tokens = randomInt(key(2, { device }), [3, 21], { high: V });
  const losses: number[] = [];
  for (let i = 0; i < 8; i++) {
    const [nextParams, nextState, metrics] = step(params, state, tokens);
    [params, state] = [nextParams, nextState];
    losses.push(await metrics.loss.item());
  }
  const flat = await Promise.all(treeLeaves(params).map(async (t) => [...(await t.data())]));
  const written: number[] = [];
  for await (const id of lm.generate(params, [3, 1, 4], { maxNewTokens: 24, temperature: 0 }))
    written.push(id);
  return { losses, params: flat.flat(), scores: [...(await lm.score(params, tokens).data())], written };
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (v, i) => Math.abs(v - b[i])));
}

const plain = live(createCpu());

describe.each(testDevices())('$kind', ({ kind, device, reason, fresh }) => {
  if (!device) {
    test.skip(`no ${kind}: ${reason}`, () => {});
    return;
  }

  let lived: Promise<Story> | undefined;
  const here = (): Promise<Story> => (lived ??= live(device));

  test('a hybrid learns, scores and writes as on the plain device', async () => {
    const [got, want] = [await here(), await plain];
    expect(want.losses.at(-1)).toBeLessThan(0.8 * want.losses[0]);
    if (kind === 'cpu') expect(got).toEqual(want);
    else {
      expect(distance(got.losses, want.losses)).toBeLessThan(1e-4);
      // Adam turns rounding of gradients near 0 into whole steps: a part of the way that 8 steps of 0.01 can go.
      expect(distance(got.params, want.params)).toBeLessThan(0.05 * 8 * 0.01);
      expect(got.written).toEqual(want.written);
    }
  });

  test('recycled memory full of NaN changes no bit', async () => {
    const poisoned = await fresh({ poison: true });
    if (poisoned) expect(await live(poisoned)).toEqual(await here());
  });

  test('fused kernels and their references agree', async () => {
    const references = await fresh({ references: true });
    if (!references) return;
    const [got, want] = [await live(references), await plain];
    expect(distance(got.losses, want.losses)).toBeLessThan(1e-4);
    expect(distance(got.scores, want.scores)).toBeLessThan(1e-3);
    expect(got.written).toEqual(want.written);
  });

  test('the whole sequence, a prompt with the rest step by step, and a forked state agree', async () => {
    const params = lm.init(key(5, { device }), { device });
    const ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];
    const tokens = tensor([ids], { dtype: 'i32', device });
    const whole = await lm.forward(params, tokens).data();
    const [, begun] = lm.prefill(params, tokens.slice(1, 0, 4), lm.initState(1, { device, maxLength: 10 }));
    const fork = cloneState(begun);
    for (const branch of [begun, fork]) {
      let state = branch;
      for (let t = 4; t < ids.length; t++) {
        let logits: Tensor;
        [logits, state] = lm.step(params, tensor([ids[t]], { dtype: 'i32', device }), state);
        expect(distance(await logits.data(), whole.slice(t * V, (t + 1) * V))).toBeLessThan(1e-4);
      }
    }
  });
});
