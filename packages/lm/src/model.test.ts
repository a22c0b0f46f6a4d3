import { attention } from '@seq/attention';
import { bigram } from '@seq/conv';
import { cloneState, countParams, defineMixer } from '@seq/nn';
import type { Mixer } from '@seq/nn';
import { ema, gru, lstm } from '@seq/rnn';
import {
  createCpu,
  explain,
  IndexError,
  key,
  logSoftmax,
  OptionError,
  ShapeError,
  slice,
  SpecError,
  stack,
  StateError,
  tensor,
  treeEntries,
  treeLeaves,
  treeMap,
  valueAndGrad,
} from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { languageModel, languageModelFromSpec } from './index.js';
import type {
  LanguageModel,
  LanguageModelOptions,
  LanguageModelParams,
  LanguageModelState,
} from './index.js';

const C = 8;
const V = 11;
const f64 = { dtype: 'f64' } as const;
const hybrid = (o: Partial<LanguageModelOptions> = {}): LanguageModel =>
  languageModel({
    vocabSize: V,
    dModel: C,
    mixers: [ema({ dModel: C }), gru({ dModel: C }), attention({ dModel: C, numHeads: 2 })],
    ...o,
  });

function ids(B: number, T: number, seed = 1): Tensor {
  return tensor(
    Int32Array.from({ length: B * T }, (_, i) => (i * i * 7 + i * seed * 3 + seed) % V),
    { shape: [B, T] },
  );
}

async function difference(a: Tensor, b: Tensor): Promise<number> {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = await Promise.all([a.data(), b.data()]);
  return Array.from(x).reduce((m, v, i) => Math.max(m, Math.abs(v - y[i])), 0);
}

describe('the three forms are one function', () => {
  const variants: [string, LanguageModel][] = [
    ['hybrid', hybrid()],
    [
      'layer norm, tied, gated',
      hybrid({ norm: 'layer', tieEmbeddings: true, feedForward: { gated: true, hidden: 6 } }),
    ],
    [
      'bare, with a biased head',
      hybrid({ norm: false, feedForward: false, residual: false, headBias: true }),
    ],
  ];
  test.each(variants)('%s: parameters are made where the key lives', (_, lm) => {
    const device = createCpu({ name: 'another' });
    for (const leaf of treeLeaves(lm.init(key(1, { device })))) expect(leaf.device === device).toBe(true);
  });
  test.each(variants)('%s', async (_, lm) => {
    const params = lm.init(key(1), f64);
    const [B, T] = [2, 9];
    const tokens = ids(B, T);
    const all = lm.forward(params, tokens);
    expect([all.shape, all.dtype]).toEqual([[B, T, V], 'f64']);
    const start = (): LanguageModelState => lm.initState(B, { ...f64, maxLength: T });

    const [whole] = lm.prefill(params, tokens, start());
    expect(await difference(whole, all)).toBeLessThan(1e-12);

    const [first, middle] = lm.prefill(params, slice(tokens, 1, 0, 4), start());
    const [second] = lm.prefill(params, slice(tokens, 1, 4), middle);
    expect(await difference(first, slice(all, 1, 0, 4))).toBeLessThan(1e-12);
    expect(await difference(second, slice(all, 1, 4))).toBeLessThan(1e-12);

    const [last] = lm.prefill(params, tokens, start(), { lastOnly: true });
    expect(await difference(last, all.at(-1, 1))).toBeLessThan(1e-12);

    let state = start();
    const steps: Tensor[] = [];
    for (let t = 0; t < T; t++) {
      const [logits, next] = lm.step(params, tokens.at(t, 1), state);
      steps.push(logits);
      state = next;
    }
    expect(await difference(stack(steps, 1), all)).toBeLessThan(1e-12);
  });

  test('states fork by cloneState and are dead once moved', async () => {
    const lm = hybrid();
    const params = lm.init(key(1));
    const [, state] = lm.prefill(params, ids(1, 3), lm.initState(1, { maxLength: 8 }));
    const fork = cloneState(state);
    const [a] = lm.step(params, tensor(Int32Array.of(4)), state);
    const [b] = lm.step(params, tensor(Int32Array.of(4)), fork);
    expect(await difference(a, b)).toBe(0);
    expect(() => lm.step(params, tensor(Int32Array.of(4)), state)).toThrow(StateError);
  });
});

describe('losses', () => {
  test('score is the log-probability of each token, loss its negative mean', async () => {
    const lm = hybrid();
    const params = lm.init(key(2), f64);
    const tokens = ids(2, 6);
    const scores = lm.score(params, tokens);
    expect(scores.shape).toEqual([2, 5]);
    const logp = (await logSoftmax(lm.forward(params, tokens)).toArray()) as number[][][];
    const targets = (await tokens.toArray()) as number[][];
    const want = targets.flatMap((row, b) => row.slice(1).map((id, t) => logp[b][t][id]));
    expect([...(await scores.data())].map((v, i) => Math.abs(v - want[i])).every((d) => d < 1e-12)).toBe(
      true,
    );
    const mean = want.reduce((a, b) => a + b) / want.length;
    expect(Math.abs((await lm.loss(params, tokens).item()) + mean)).toBeLessThan(1e-12);
  });

  test('lossWithState goes on where the state ended', async () => {
    const lm = hybrid({ mixers: [ema({ dModel: C }), lstm({ dModel: C })] });
    const params = lm.init(key(2), f64);
    const tokens = ids(2, 9);
    const [a, state] = lm.lossWithState(params, slice(tokens, 1, 0, 5), lm.initState(2, f64));
    const [b] = lm.lossWithState(params, slice(tokens, 1, 4, 9), state);
    const whole = await lm.loss(params, tokens).item();
    expect(Math.abs((await a.item()) / 2 + (await b.item()) / 2 - whole)).toBeLessThan(1e-12);
  });

  test('ignored targets do not count, and smoothing is that of the targets', async () => {
    const lm = hybrid();
    const params = lm.init(key(3), f64);
    const padded = tensor(Int32Array.of(1, 2, 3, -100, -100), { shape: [1, 5] });
    const short = tensor(Int32Array.of(1, 2, 3), { shape: [1, 3] });
    expect(await lm.loss(params, padded).item()).toBeCloseTo(await lm.loss(params, short).item(), 12);
    const smooth = await lm.loss(params, short, { labelSmoothing: 0.2 }).item();
    const logp = (await logSoftmax(lm.forward(params, slice(short, 1, 0, 2))).toArray()) as number[][][];
    const uniform = (logp[0][0].reduce((a, b) => a + b) + logp[0][1].reduce((a, b) => a + b)) / (2 * V);
    expect(smooth).toBeCloseTo(0.8 * (await lm.loss(params, short).item()) - 0.2 * uniform, 12);
  });

  test('the gradient is that of central differences', async () => {
    const lm = hybrid({ tieEmbeddings: true });
    const params = lm.init(key(4), f64);
    const tokens = ids(2, 5);
    const [, grads] = valueAndGrad((p: LanguageModelParams) => lm.loss(p, tokens), params);
    const h = 1e-5;
    let checked = 0;
    const derivatives = new Map(treeEntries(grads));
    for (const [path, leaf] of treeEntries(params)) {
      const at = (leaf.size * 7) % leaf.size || Math.floor(leaf.size / 2);
      const bump = async (d: number): Promise<number> => {
        const values = Float64Array.from(await leaf.data());
        values[at] += d;
        const moved = tensor(values, { shape: leaf.shape });
        return lm
          .loss(
            treeMap((t) => (t === leaf ? moved : t), params),
            tokens,
          )
          .item();
      };
      const slope = ((await bump(h)) - (await bump(-h))) / (2 * h);
      const got = (await derivatives.get(path)!.data())[at];
      expect(Math.abs(got - slope), path).toBeLessThan(1e-8);
      checked++;
    }
    expect(checked).toBeGreaterThan(15);
  });

  test('an unknown id is an IndexError when the loss is read', async () => {
    const lm = hybrid();
    const params = lm.init(key(1));
    const bad = tensor(Int32Array.of(1, V, 2), { shape: [1, 3] });
    await expect(lm.loss(params, bad).item()).rejects.toThrow(IndexError);
  });
});

describe('arrangements', () => {
  test('a 2-gram is one mixer between one-hot tokens and logits', async () => {
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
    const params = lm.init(key(1));
    expect(countParams(params)).toBe(V * V);
    const table = (await treeEntries(params)[0][1].toArray()) as number[][];
    const logits = (await lm
      .forward(params, tensor([[3, 0, 3]], { dtype: 'i32' }))
      .toArray()) as number[][][];
    expect(logits[0]).toEqual([table[3], table[0], table[3]]);
    const [step] = lm.step(params, tensor(Int32Array.of(7)), lm.initState(1));
    expect(await step.toArray()).toEqual([table[7]]);
  });

  test('an embedding alone is a table as well', async () => {
    const lm = languageModel({ vocabSize: V, dModel: V, mixers: [], head: false, norm: false });
    const params = lm.init(key(1));
    const table = (await params.embedding!.weight.toArray()) as number[][];
    expect(await lm.forward(params, tensor([[5]], { dtype: 'i32' })).toArray()).toEqual([[table[5]]]);
  });

  test('tied embeddings have one table, and both of its uses reach the gradient', async () => {
    const lm = hybrid({ tieEmbeddings: true, norm: 'layer' });
    const params = lm.init(key(1));
    expect(params.head).toBeUndefined();
    const [, grads] = valueAndGrad(
      (p: LanguageModelParams) => lm.loss(p, tensor([[1, 2, 3]], { dtype: 'i32' })),
      params,
    );
    const rows = (await grads.embedding!.weight.toArray()) as number[][];
    expect(rows.every((row) => row.some((g) => g !== 0))).toBe(true); // the head's use reaches rows that no input has
  });

  test('headBias adds a number to each logit', async () => {
    const lm = hybrid({ headBias: true });
    const params = lm.init(key(1));
    const bias = tensor(Float32Array.from({ length: V }, (_, i) => i - 3));
    expect(await params.head!.bias!.data()).toEqual(new Float32Array(V));
    const raised = { ...params, head: { ...params.head!, bias } };
    const tokens = ids(1, 4);
    expect(await difference(lm.forward(raised, tokens), lm.forward(params, tokens).add(bias))).toBe(0);
    expect(lm.decayMask(params)).toMatchObject({ head: { weight: true, bias: false } });
  });

  test('normEps is what every norm adds', async () => {
    const bare = { feedForward: false, mixers: [], tieEmbeddings: true, embedding: true } as const;
    for (const [norm, normEps] of [
      ['rms', 0.5],
      ['layer', 2],
    ] as const) {
      const lm = hybrid({ ...bare, norm, normEps });
      const params = lm.init(key(1), f64);
      const table = params.embedding!.weight;
      const centred = norm === 'rms' ? table : table.sub(table.mean(1, { keepDims: true }));
      const unit = centred.div(centred.square().mean(1, { keepDims: true }).add(normEps).sqrt());
      const want = unit.at(3).expandDims(0).matmul(table.transpose());
      const got = lm.forward(params, tensor([[3]], { dtype: 'i32' })).at(0);
      expect(await difference(got, want)).toBeLessThan(1e-14);
    }
    expect([hybrid().spec.normEps, hybrid({ norm: 'layer' }).spec.normEps]).toEqual([1e-6, 1e-5]);
  });

  test('the same mixer value twice has parameters twice', () => {
    const one = ema({ dModel: C });
    const params = languageModel({ vocabSize: V, dModel: C, mixers: [one, one] }).init(key(1));
    const names = treeEntries(params).map(([path]) => path);
    expect(names).toContain('blocks.0.mixer.out.weight');
    expect(names).toContain('blocks.1.mixer.out.weight');
    expect(names).toContain('blocks.1.feedForward.up.weight');
    expect(names).toContain('norm.weight');
  });

  test('the same key gives the same parameters, another key others', async () => {
    const lm = hybrid();
    const [a, b, c] = [lm.init(key(5)), lm.init(key(5)), lm.init(key(6))];
    for (const [[path, x], [, y], [, z]] of treeEntries(a).map(
      (e, i) => [e, treeEntries(b)[i], treeEntries(c)[i]] as const,
    )) {
      expect(await difference(x, y), path).toBe(0);
      if (x.ndim > 1) expect(await difference(x, z), path).toBeGreaterThan(0);
    }
  });

  test('a fresh model is about as good as guessing', async () => {
    const lm = hybrid();
    expect(Math.abs((await lm.loss(lm.init(key(1)), ids(4, 32)).item()) - Math.log(V))).toBeLessThan(0.1);
  });

  test('dropout acts only where a key is given, and by the key', async () => {
    const lm = hybrid({ dropout: 0.5 });
    const params = lm.init(key(1));
    const tokens = ids(2, 6);
    const plain = hybrid().forward(params, tokens);
    expect(await difference(lm.forward(params, tokens), plain)).toBe(0);
    const a = lm.forward(params, tokens, { key: key(9) });
    expect(await difference(a, lm.forward(params, tokens, { key: key(9) }))).toBe(0);
    expect(await difference(a, lm.forward(params, tokens, { key: key(10) }))).toBeGreaterThan(1e-3);
    expect(await difference(a, plain)).toBeGreaterThan(1e-3);
  });

  test('weight decay spares vectors and what the mixers exclude', () => {
    const lm = hybrid();
    expect(lm.noDecay).toContain('blocks.0.mixer.logitDecay');
    const mask = lm.decayMask(lm.init(key(1))) as {
      blocks: { mixer: { out: { weight: boolean; bias: boolean } } }[];
      head: { weight: boolean };
    };
    expect(mask.blocks[0].mixer.out).toEqual({ weight: true, bias: false });
    expect(mask.head.weight).toBe(true);
  });
});

describe('cost', () => {
  const variants: [string, LanguageModel][] = [
    ['hybrid', hybrid()],
    ['layer norm, tied, gated', hybrid({ norm: 'layer', tieEmbeddings: true, feedForward: { gated: true } })],
    ['no feed-forward, biased head', hybrid({ feedForward: false, norm: false, headBias: true })],
  ];
  test.each(variants)('%s: parameters and products exact, the rest within a tenth of the plan', (_, lm) => {
    const params = lm.init(key(1));
    const [B, T, past] = [2, 6, 4];
    expect(lm.cost({ B, T, form: 'forward' }).params).toBe(countParams(params));
    const state = (): LanguageModelState => lm.initState(B, { maxLength: past + T });
    const plans = {
      forward: explain((p: LanguageModelParams, t: Tensor) => lm.forward(p, t), params, ids(B, T)),
      step: explain(
        (p: LanguageModelParams, t: Tensor, s: LanguageModelState) => lm.step(p, t, s),
        params,
        ids(B, 1).at(0, 1),
        state(),
      ),
    };
    const forward = lm.cost({ B, T, form: 'forward' });
    expect(forward.matmulFlops).toBe(plans.forward.matmulFlops);
    expect(Math.abs(forward.flops / plans.forward.flops - 1)).toBeLessThan(0.1);
    const step = lm.cost({ B, T: 1, form: 'step', past: past + T - 1 });
    expect(step.stateFloats).toBe(lm.cost({ B, T: 99, form: 'step', past: past + T - 1 }).stateFloats);
    expect(step.matmulFlops).toBeGreaterThan(0);
    expect(step.params).toBe(forward.params);
  });
});

describe('specs', () => {
  test('a spec goes through JSON and gives the same model', async () => {
    const lm = hybrid({ norm: 'layer', dropout: 0.1, feedForward: { gated: true } });
    const spec: unknown = JSON.parse(JSON.stringify(lm.spec));
    const again = languageModelFromSpec(spec, [ema, gru, attention]);
    expect(again.spec).toEqual(lm.spec);
    const params = lm.init(key(1));
    expect(await difference(again.forward(params, ids(1, 5)), lm.forward(params, ids(1, 5)))).toBe(0);
  });

  test('what no factory makes, and what is no spec, is a SpecError', () => {
    const { spec } = hybrid();
    expect(() => languageModelFromSpec(spec, [ema])).toThrow(SpecError);
    expect(() => languageModelFromSpec({ kind: 'seq/other' }, [ema])).toThrow(/must have kind 'seq\/lm'/);
    expect(() => languageModelFromSpec(null, [ema])).toThrow(SpecError);
    expect(() => languageModelFromSpec({ ...spec, dModel: 9 }, [ema, gru, attention])).toThrow(
      /saved options are refused.*dModel = 9/,
    );
  });
});

describe('errors name the rule and the remedy', () => {
  const mean: Mixer = defineMixer<Tree>({
    spec: { kind: 'test/mean', dModel: C, options: {} },
    causal: false,
    init: () => ({}),
    forward: (_, x) => x,
    cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
  });
  const cases: [string, () => unknown, RegExp][] = [
    [
      'noncausal',
      () => languageModel({ vocabSize: V, dModel: C, mixers: [ema({ dModel: C }), mean] }),
      /must be causal.*mixers\[1\] = test\/mean/,
    ],
    [
      'width',
      () => languageModel({ vocabSize: V, dModel: C, mixers: [ema({ dModel: 4 })] }),
      /dModel = 8, got mixers\[0\] = seq\/ema with dModel = 4/,
    ],
    ['vocabSize', () => hybrid({ vocabSize: 0 }), /vocabSize must be a positive integer, got 0/],
    ['dropout', () => hybrid({ dropout: 1 }), /dropout must be in \[0, 1\), got 1/],
    [
      'embeddingStd',
      () => hybrid({ embeddingStd: NaN }),
      /embeddingStd must be a finite number ≥ 0, got NaN/,
    ],
    ['normEps', () => hybrid({ normEps: -1 }), /normEps must be a finite number ≥ 0, got -1/],
    ['norm', () => hybrid({ norm: 'batch' as 'rms' }), /norm must be 'rms', 'layer' or false, got batch/],
    [
      'one-hot',
      () => hybrid({ embedding: false }),
      /embedding: false needs dModel = vocabSize, got 8 and 11/,
    ],
    [
      'tied without head',
      () => hybrid({ head: false, tieEmbeddings: true, vocabSize: C }),
      /tieEmbeddings needs a head/,
    ],
    [
      'bias of a tied head',
      () => hybrid({ headBias: true, tieEmbeddings: true }),
      /headBias needs a head of its own, got tieEmbeddings: true/,
    ],
    [
      'hidden',
      () => hybrid({ feedForward: { hidden: 0 } }),
      /feedForward.hidden must be a positive integer, got 0/,
    ],
    ['activation', () => hybrid({ feedForward: { activation: 'gelo' as 'gelu' } }), /activation/],
  ];
  test.each(cases)('%s', (_, f, text) => {
    expect(f).toThrow(OptionError);
    expect(f).toThrow(text);
  });

  test('shapes and types of tokens', () => {
    const lm = hybrid();
    const params = lm.init(key(1));
    expect(() => lm.forward(params, tensor(Int32Array.of(1)))).toThrow(
      /tokens must be \[B, T\], got \[1\]. Reshape/,
    );
    expect(() => lm.forward(params, tensor([[1]]))).toThrow(/must be i32, got f32/);
    expect(() => lm.loss(params, ids(1, 1))).toThrow(ShapeError);
    expect(() => lm.step(params, ids(1, 1), lm.initState(1, { maxLength: 4 }))).toThrow(
      /one token per row without a time axis/,
    );
    expect(() => lm.step(params, ids(1, 1).at(0, 1), [])).toThrow(/one entry per mixer \(3\), got 0/);
  });
});
