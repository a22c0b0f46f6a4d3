import { decayMask, dropout, embedding, fromSpec, linear } from '@seq/nn';
import type { CausalMixer, MixerFactory, RunOptions, StateOptions } from '@seq/nn';
import {
  arange,
  clip,
  crossEntropy,
  eq,
  foldIn,
  gather,
  neg,
  oneHot,
  scope,
  ShapeError,
  slice,
  SpecError,
  treeLeaves,
  where,
} from '@seq/tensor';
import type { Key, Tensor, Tree } from '@seq/tensor';
import { checkTokens } from './check.js';
import { modelCost } from './cost.js';
import { generation } from './generate.js';
import { initParams } from './init.js';
import { applyFeedForward, applyNorm } from './layers.js';
import { resolveOptions } from './options.js';
import type { LanguageModelOptions } from './options.js';
import type {
  BlockParams,
  LanguageModel,
  LanguageModelParams,
  LanguageModelSpec,
  LanguageModelState,
  LossOptions,
} from './types.js';

/**
 * A language model: tokens in, logits of the next token out, over any list of causal mixers.
 *
 *   x = E[token];  for each block: x += mixer(norm(x)), x += feedForward(norm(x));  logits = W norm(x)
 *
 * A hybrid is a list: `mixers: [gru, gru, attention]`. Without norm, feed-forward, residual, embedding
 * and head, a single mixer reads one-hot tokens and writes the logits, as a 2-gram table does.
 *
 * @throws OptionError  sizes that are no positive integers, a noncausal mixer, a mixer of another width, options that exclude each other
 */
export function languageModel(options: LanguageModelOptions): LanguageModel {
  const resolved = resolveOptions(options);
  const mixers = options.mixers as readonly CausalMixer<Tree, Tree>[];
  const spec: LanguageModelSpec = { kind: 'seq/lm', ...resolved, mixers: mixers.map((m) => m.spec) };
  const noDecay = mixers.flatMap((m, i) => (m.noDecay ?? []).map((path) => `blocks.${i}.mixer.${path}`));
  const { vocabSize: V, feedForward, residual } = resolved;

  const drop = (x: Tensor, key: Key | undefined, site: number): Tensor =>
    key && resolved.dropout > 0 ? dropout(x, resolved.dropout, foldIn(key, site)) : x;

  const embed = (params: LanguageModelParams, tokens: Tensor): Tensor => {
    if (params.embedding) return embedding(tokens, params.embedding);
    return oneHot(tokens, V, { dtype: treeLeaves(params)[0]?.dtype ?? 'f32' });
  };

  /** The stack of blocks; `mix(i, h, o)` runs mixer i in whatever form. */
  const body = (
    params: LanguageModelParams,
    tokens: Tensor,
    o: RunOptions,
    mix: (i: number, p: BlockParams, h: Tensor, o: RunOptions) => Tensor,
  ): Tensor => {
    const { key } = o;
    let x = drop(embed(params, tokens), key, 0);
    params.blocks.forEach((p, i) => {
      const own = key ? { ...o, key: foldIn(key, 3 * i + 1) } : o;
      const mixed = drop(mix(i, p, applyNorm(resolved, x, p.norm), own), key, 3 * i + 2);
      x = residual ? x.add(mixed) : mixed;
      if (!feedForward) return;
      const inner = applyFeedForward(feedForward, applyNorm(resolved, x, p.feedForwardNorm), p.feedForward);
      x = residual ? x.add(drop(inner, key, 3 * i + 3)) : drop(inner, key, 3 * i + 3);
    });
    return x;
  };

  const head = (params: LanguageModelParams, x: Tensor): Tensor => {
    const h = applyNorm(resolved, x, params.norm);
    if (!resolved.head) return h;
    return linear(h, resolved.tieEmbeddings ? params.embedding! : params.head!);
  };

  const carried = (
    where_: string,
    params: LanguageModelParams,
    tokens: Tensor,
    state: LanguageModelState,
    o: RunOptions,
    form: 'prefill' | 'step',
  ): [Tensor, LanguageModelState] => {
    if (!Array.isArray(state) || state.length !== mixers.length) {
      throw new ShapeError(
        `${where_}: state must hold one entry per mixer (${mixers.length}), got ${Array.isArray(state) ? state.length : typeof state}. Pass what initState, prefill or step returned.`,
      );
    }
    const next: Tree[] = [];
    const x = body(params, tokens, o, (i, p, h, own) => {
      const [y, s] = mixers[i][form](p.mixer, h, state[i], own);
      next.push(s);
      return y;
    });
    return [x, next];
  };

  const crossEntropyOf = (logits: Tensor, targets: Tensor, o: LossOptions): Tensor =>
    crossEntropy(logits, targets, {
      ignoreIndex: o.ignoreIndex ?? -100,
      labelSmoothing: o.labelSmoothing ?? 0,
    });

  const model: LanguageModel = {
    spec,
    noDecay,
    decayMask: (params) => decayMask(params, noDecay),
    init: (key, o) => initParams(resolved, mixers, key, o),
    initState: (batch, o?: StateOptions) => mixers.map((m) => m.initState(batch, o)),

    forward: (params, tokens, o = {}) =>
      scope(() => {
        checkTokens('lm.forward', tokens, 2, 0);
        return head(
          params,
          body(params, tokens, o, (i, p, h, own) => mixers[i].forward(p.mixer, h, own)),
        );
      }),

    prefill: (params, tokens, state, { lastOnly = false, ...o } = {}) =>
      scope(() => {
        checkTokens('lm.prefill', tokens, 2, lastOnly ? 1 : 0);
        const [x, next] = carried('lm.prefill', params, tokens, state, o, 'prefill');
        return [head(params, lastOnly ? lastOf(x, o.lengths) : x), next];
      }),

    step: (params, token, state, o = {}) =>
      scope(() => {
        checkTokens('lm.step', token, 1, 0);
        const [x, next] = carried('lm.step', params, token, state, o, 'step');
        return [head(params, x), next];
      }),

    loss: (params, tokens, o = {}) =>
      scope(() => {
        const [inputs, targets, run] = shifted('lm.loss', tokens, o);
        return crossEntropyOf(model.forward(params, inputs, run), targets, o);
      }),

    lossWithState: (params, tokens, state, o = {}) =>
      scope(() => {
        const [inputs, targets, run] = shifted('lm.lossWithState', tokens, o);
        const [logits, next] = model.prefill(params, inputs, state, run);
        return [crossEntropyOf(logits, targets, o), next];
      }),

    score: (params, tokens, o = {}) =>
      scope(() => {
        checkTokens('lm.score', tokens, 2, 2);
        const logits = model.forward(params, slice(tokens, 1, 0, -1), o);
        return neg(crossEntropy(logits, slice(tokens, 1, 1), { reduction: 'none' }));
      }),

    generate: (params, prompt, o) => texts.generate(params, prompt, o),
    generateWithScores: (params, prompt, o) => texts.generateWithScores(params, prompt, o),
    generateBatch: (params, prompts, o) => texts.generateBatch(params, prompts, o),
    cost: (at) => modelCost(resolved, mixers, at),
  };
  const texts = generation(model);
  return model;
}

/**
 * Builds the language model that a saved spec describes.
 *
 * @param spec       what `lm.spec` was, as parsed from JSON
 * @param factories  `[gru, attention]` or `{ 'seq/gru': gru }`: who makes the mixers
 * @throws SpecError  a spec of another kind, malformed, or with a mixer that no factory makes
 */
export function languageModelFromSpec(
  spec: unknown,
  factories: readonly MixerFactory[] | { readonly [kind: string]: MixerFactory },
): LanguageModel {
  const saved = (typeof spec === 'object' && spec !== null ? spec : {}) as Partial<LanguageModelSpec>;
  if (saved.kind !== 'seq/lm' || !Array.isArray(saved.mixers)) {
    throw new SpecError(
      `languageModelFromSpec: a spec must have kind 'seq/lm' and a list of mixers, got ${JSON.stringify(spec)?.slice(0, 120)}. Pass lm.spec, or its JSON parsed again.`,
    );
  }
  const { kind: _, mixers, ...options } = saved as LanguageModelSpec;
  const made = mixers.map((m) => fromSpec(m, factories));
  try {
    return languageModel({ ...options, mixers: made });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SpecError(
      `languageModelFromSpec: the saved options are refused: ${why} Use the version that wrote them, or mend the options.`,
    );
  }
}

/** Each row's last position that counts. [B, T, C] → [B, C] */
function lastOf(x: Tensor, lengths: Tensor | undefined): Tensor {
  if (!lengths) return x.at(-1, 1);
  const [B, T, C] = x.shape;
  const first = arange(0, B * T, T, { dtype: 'i32', device: x.device });
  return gather(x.reshape([B * T, C]), clip(lengths.sub(1), 0, T - 1).add(first));
}

/** Tokens `[B, T+1]` as inputs and targets `[B, T]`, and what is left of the options. */
function shifted(name: string, tokens: Tensor, o: LossOptions): [Tensor, Tensor, RunOptions] {
  checkTokens(name, tokens, 2, 2);
  const { ignoreIndex = -100, labelSmoothing: _, ...run } = o;
  const inputs = slice(tokens, 1, 0, -1);
  return [where(eq(inputs, ignoreIndex), 0, inputs), slice(tokens, 1, 1), run];
}
