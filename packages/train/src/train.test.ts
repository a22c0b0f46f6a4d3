import { attention } from '@seq/attention';
import { bigram, bigramLogProbs, countBigrams } from '@seq/conv';
import { languageModel } from '@seq/lm';
import { ema, gru } from '@seq/rnn';
import {
  createCpu,
  IndexError,
  MemoryError,
  OptionError,
  tensor,
  treeEntries,
  treeLeaves,
} from '@seq/tensor';
import type { CpuOptions, Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { adamw } from './adam.js';
import { contiguousStreams, randomCrops } from './data.js';
import type { Batches } from './data.js';
import { evaluate } from './evaluate.js';
import { constant, cosine } from './schedules.js';
import { sgd } from './sgd.js';
import { trainStep } from './step.js';
import { train } from './train.js';
import { startTraining } from './training.js';
import type { StepEvent } from './train.js';

const V = 8;
const C = 8;
const small = languageModel({
  vocabSize: V,
  dModel: C,
  mixers: [ema({ dModel: C }), gru({ dModel: C })],
  dropout: 0.1,
});

/** A text that repeats itself with a period of 5: easy for anything with a memory, impossible for a 2-gram. */
const periodic = Array.from({ length: 600 }, (_, i) => [0, 1, 0, 2, 3][i % 5]);

async function values(tree: unknown): Promise<Record<string, number[]>> {
  return Object.fromEntries(
    await Promise.all(
      treeEntries(tree).map(async ([path, t]) => [path, [...(await t.data())]] as [string, number[]]),
    ),
  );
}

describe('train', () => {
  test('learns, reports every step, and reaches the step asked for', async () => {
    const lm = languageModel({ vocabSize: V, dModel: C, mixers: [gru({ dModel: C })] });
    const optimizer = adamw({
      lr: cosine({ peak: 0.03, total: 120, warmup: 10 }),
      decayMask: lm.decayMask,
    });
    const training = startTraining(lm, optimizer, { seed: 1 });
    const data = randomCrops(periodic, { B: 4, T: 16 });
    const events: StepEvent[] = [];
    const result = await train(lm, training, {
      data,
      optimizer,
      steps: 120,
      onStep: (e) => void events.push(e),
    });
    expect(result).toEqual({ finished: true, step: 120, loss: events.at(-1)!.loss });
    expect(events.map((e) => e.step)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    expect(events[0].loss).toBeGreaterThan(1.8);
    expect(result.loss).toBeLessThan(0.15);
    expect(events[0].lr).toBeCloseTo(0.003, 7);
    expect(events.every((e) => e.gradNorm > 0 && !e.skipped && e.tokensPerSecond > 0)).toBe(true);
    expect(events.at(-1)!.tokens).toBe(120 * 64);
    expect(await training.optState.step.item()).toBe(120);
    expect((await evaluate(lm, training.params, periodic, { B: 2, T: 50 })).nats).toBeLessThan(0.2);
  });

  test('a trained 2-gram table is the counted one', async () => {
    const lm = languageModel({
      vocabSize: V,
      dModel: V,
      mixers: [bigram({ dModel: V })],
      embedding: false,
      head: false,
      residual: false,
      norm: false,
      feedForward: false,
    });
    const text = Array.from({ length: 2001 }, (_, i) => (i * i + 3 * (i % 7) + (i >> 4)) % V);
    const optimizer = adamw({ lr: cosine({ peak: 0.3, total: 150 }), weightDecay: 0 });
    const training = startTraining(lm, optimizer);
    await train(lm, training, { data: contiguousStreams(text, { B: 4, T: 500 }), optimizer, steps: 150 });
    const { nats } = await evaluate(lm, training.params, text);
    const logp = bigramLogProbs(countBigrams(text, V), V, { alpha: 0 });
    const best = -text.slice(1).reduce((n, id, t) => n + logp[text[t] * V + id], 0) / 2000;
    expect(nats).toBeGreaterThan(best - 1e-6);
    expect(nats - best).toBeLessThan(1e-3);
  });

  test('streams carry the state: a period longer than the window is learnt', async () => {
    const text = Array.from({ length: 4000 }, (_, i) => (i % 6 === 0 ? 1 : 0));
    const lm = languageModel({ vocabSize: 2, dModel: 12, mixers: [gru({ dModel: 12 })] });
    const optimizer = adamw({ lr: constant(0.02) });
    const run = async (data: Batches): Promise<number> => {
      const training = startTraining(lm, optimizer);
      const losses: number[] = [];
      await train(lm, training, { data, optimizer, steps: 200, onStep: (e) => void losses.push(e.loss) });
      return losses.slice(150).reduce((a, b) => a + b) / 50;
    };
    expect(await run(contiguousStreams(text, { B: 4, T: 4 }))).toBeLessThan(0.02);
    expect(await run(randomCrops(text, { B: 4, T: 4 }))).toBeGreaterThan(0.2);
  });

  test('a step with gradients that are not finite changes nothing and says so', async () => {
    const optimizer = adamw({ lr: 0.01 });
    const training = startTraining(small, optimizer);
    const broken = { ...training.params, head: { weight: training.params.head!.weight.mul(Infinity) } };
    training.params = broken;
    const before = await values(training.params);
    const events: StepEvent[] = [];
    await train(small, training, {
      data: randomCrops(periodic, { B: 2, T: 4 }),
      optimizer,
      steps: 1,
      onStep: (e) => void events.push(e),
    });
    expect(events[0].skipped).toBe(true);
    expect(events[0].loss).toBeNaN();
    expect(await values(training.params)).toEqual(before);
    expect(await training.optState.step.item()).toBe(0);
  });

  test('a thousand steps leave live tensors and bytes where they were, with one plan', async () => {
    const device = createCpu();
    const lm = languageModel({ vocabSize: V, dModel: 4, mixers: [ema({ dModel: 4 })], feedForward: false });
    const optimizer = adamw({ lr: 1e-3 });
    const training = startTraining(lm, optimizer, { device });
    const data = randomCrops(periodic, { B: 2, T: 4, device });
    const seen: string[] = [];
    await train(lm, training, {
      data,
      optimizer,
      steps: 1000,
      onStep: ({ step }) => {
        const { tensors, bytes } = device.memory();
        if (step >= 2) seen.push(`${tensors} tensors, ${bytes} bytes, ${device.counters.plans} plans`);
      },
    });
    expect(new Set(seen).size).toBe(1);
  });

  test('poisoned memory, references and the numerics check change no result', async () => {
    const run = async (options: CpuOptions): Promise<Record<string, number[]>> => {
      const device = createCpu(options);
      const optimizer = adamw({ lr: cosine({ peak: 0.01, total: 20 }), amsgrad: true });
      const training = startTraining(small, optimizer, { seed: 2, device });
      await train(small, training, {
        data: randomCrops(periodic, { B: 2, T: 6, device }),
        optimizer,
        steps: 6,
      });
      return values(training);
    };
    const plain = await run({});
    expect(await run({ poison: true })).toEqual(plain);
    expect(await run({ checkNumerics: true })).toEqual(plain);
    const references = await run({ references: true });
    for (const [path, want] of Object.entries(plain)) {
      want.forEach((v, i) => expect(Math.abs(references[path][i] - v), path).toBeLessThan(1e-4));
    }
  });

  test('parameters and optimiser are updated in place', () => {
    const optimizer = adamw();
    const training = startTraining(small, optimizer);
    const plan = trainStep(small, optimizer).plan(
      training.params,
      training.optState,
      tensor([[1, 2, 3]], { dtype: 'i32' }),
      { key: training.key },
    );
    const kept = treeLeaves([training.params, training.optState]).reduce((n, t) => n + t.size * 4, 0);
    expect(kept).toBeGreaterThan(3000);
    expect(plan.outputBytes).toBeLessThan(64);
  });
});

describe('interruptions', () => {
  const options = (): { data: ReturnType<typeof randomCrops>; optimizer: ReturnType<typeof adamw> } => ({
    data: randomCrops(periodic, { B: 2, T: 6, seed: 4 }),
    optimizer: adamw({ lr: cosine({ peak: 0.01, total: 40 }) }),
  });

  test('an aborted run goes on to the very same bits, dropout included', async () => {
    const whole = startTraining(small, options().optimizer, { seed: 3 });
    await train(small, whole, { ...options(), steps: 12 });

    const parts = startTraining(small, options().optimizer, { seed: 3 });
    const controller = new AbortController();
    const first = await train(small, parts, {
      ...options(),
      steps: 12,
      signal: controller.signal,
      onStep: ({ step }) => void (step === 5 && controller.abort()),
    });
    expect(first).toMatchObject({ finished: false, step: 5 });
    expect(await train(small, parts, { ...options(), steps: 12 })).toMatchObject({
      finished: true,
      step: 12,
    });
    expect(await values(parts)).toEqual(await values(whole));
  });

  test('an error in a callback leaves the last whole step', async () => {
    const training = startTraining(small, options().optimizer);
    const run = train(small, training, {
      ...options(),
      steps: 9,
      onStep: ({ step }) => {
        if (step === 3) throw new Error('disk full');
      },
    });
    await expect(run).rejects.toThrow('disk full');
    expect(training.step).toBe(3);
    expect(await training.optState.step.item()).toBe(3);
    await train(small, training, { ...options(), steps: 4 });
    expect(training.step).toBe(4);
  });

  test('an error in a step changes nothing', async () => {
    const { optimizer } = options();
    const training = startTraining(small, optimizer);
    await train(small, training, { ...options(), steps: 2 });
    const before = await values(training);
    const bad = {
      ...randomCrops(periodic, { B: 2, T: 6 }),
      at: () => ({
        tokens: tensor(
          Int32Array.from({ length: 14 }, () => V + 1),
          { shape: [2, 7] },
        ),
        fresh: true,
      }),
    };
    await expect(train(small, training, { data: bad, optimizer, steps: 3 })).rejects.toThrow(IndexError);
    expect(training.step).toBe(2);
    expect(await values(training)).toEqual(before);
    await expect(train(small, training, { ...options(), steps: 3, memoryBudget: 1000 })).rejects.toThrow(
      MemoryError,
    );
    expect(await values(training)).toEqual(before);
    expect((await train(small, training, { ...options(), steps: 3 })).finished).toBe(true);
  });

  test('timers run while it trains', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 1);
    const training = startTraining(small, options().optimizer);
    const run = await train(small, training, { ...options(), steps: 100_000, signal: controller.signal });
    expect(run.finished).toBe(false);
  });
});

describe('trainStep', () => {
  test('anything with a loss can be trained', async () => {
    const model = {
      loss: (p: { w: Tensor }, tokens: Tensor): Tensor => p.w.sub(tokens.cast('f32').mean()).square(),
    };
    const optimizer = sgd({ lr: 0.5 });
    const step = trainStep(model, optimizer, { clip: false });
    let params = { w: tensor(0) };
    let state = optimizer.init(params);
    const [p, s, metrics] = step(params, state, tensor([[2, 4]], { dtype: 'i32' }));
    expect(() => params.w.add(1)).toThrow(/moved/);
    [params, state] = [p, s];
    expect(await metrics.loss.item()).toBe(9);
    expect(await metrics.gradNorm.item()).toBe(6);
    expect(await params.w.item()).toBe(3);
    const [q] = step(params, state, tensor([[2, 4]], { dtype: 'i32' }), { lr: tensor(0.25) });
    expect(await q.w.item()).toBe(3);
  });

  test('clipping bounds the move', async () => {
    const model = { loss: (p: { w: Tensor }): Tensor => p.w.mul(100).sum() };
    const optimizer = sgd({ lr: 1 });
    const [p, , metrics] = trainStep(model, optimizer, { clip: 2 })(
      { w: tensor([0, 0]) },
      optimizer.init({ w: tensor([0, 0]) }),
      tensor([[0]], { dtype: 'i32' }),
    );
    const moved = [...(await p.w.data())];
    expect(Math.hypot(...moved)).toBeCloseTo(2, 5);
    expect(await metrics.gradNorm.item()).toBeCloseTo(Math.SQRT2 * 100, 4);
  });
});

test('what cannot be trained is refused beforehand', async () => {
  const optimizer = adamw();
  const cached = languageModel({ vocabSize: V, dModel: C, mixers: [attention({ dModel: C, numHeads: 1 })] });
  const streams = contiguousStreams(periodic, { B: 2, T: 4 });
  await expect(
    train(cached, startTraining(cached, optimizer), { data: streams, optimizer, steps: 1 }),
  ).rejects.toThrow(/grows with every token.*randomCrops/);
  const foreign = randomCrops([...periodic, V], { B: 2, T: 4 });
  await expect(
    train(small, startTraining(small, optimizer), { data: foreign, optimizer, steps: 1 }),
  ).rejects.toThrow(/below vocabSize = 8, got 8/);
  await expect(
    train(small, startTraining(small, optimizer), { data: streams, optimizer, steps: 1.5 }),
  ).rejects.toThrow(OptionError);
  expect(() => trainStep(small, optimizer, { clip: 0 })).toThrow(/clip must be positive or false, got 0/);
});
