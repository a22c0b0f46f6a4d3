import type { Cost, CostAt, MixerSpec, RunOptions, StateOptions } from '@seq/nn';
import type { Key, Tensor, TensorOptions, Tree } from '@seq/tensor';
import type { GenerateOptions, ScoredToken } from './generate.js';
import type { ResolvedOptions } from './options.js';

/** What identifies a language model: plain JSON, saved beside the weights. */
export interface LanguageModelSpec extends ResolvedOptions {
  readonly kind: 'seq/lm';
  readonly mixers: readonly MixerSpec[];
}

/** Parameters of one block. */
export interface BlockParams {
  readonly norm?: Tree;
  readonly mixer: Tree;
  readonly feedForwardNorm?: Tree;
  readonly feedForward?: Tree;
}

/** Parameters of a language model; what its options leave out is absent. */
export interface LanguageModelParams {
  /** weight `[V, C]` */
  readonly embedding?: { readonly weight: Tensor };
  readonly blocks: readonly BlockParams[];
  readonly norm?: Tree;
  /** weight `[V, C]`, bias `[V]` with `headBias` */
  readonly head?: { readonly weight: Tensor; readonly bias?: Tensor };
}

/** The states of the mixers, in order. */
export type LanguageModelState = readonly Tree[];

/** Options of `prefill`. */
export interface PrefillOptions extends RunOptions {
  /**
   * Compute the logits of the last position alone: `[B, V]`; with `lengths` that of each row, its position
   * lengths − 1. A row of length 0 has no such position: its logits mean nothing.
   */
  readonly lastOnly?: boolean;
}

/** Options of the losses. */
export interface LossOptions extends RunOptions {
  /** Target that does not count; as an input it is read as token 0, so use it for padding at the end. Default −100. */
  readonly ignoreIndex?: number;
  /** Share ε of each target that is spread evenly over the vocabulary, in [0, 1). */
  readonly labelSmoothing?: number;
}

/** A language model over any list of causal mixers: a plain value, parameters travel by hand. */
export interface LanguageModel {
  readonly spec: LanguageModelSpec;
  /** Paths of parameters without weight decay. */
  readonly noDecay: readonly string[];
  /** True for parameters that decay: matrices, except those a mixer excludes. */
  decayMask(params: Tree): Tree;
  /** Parameters from a key; the same key gives the same ones on every device. */
  init(key: Key, o?: TensorOptions): LanguageModelParams;
  /** Train form: tokens `[B, T]` i32 → logits `[B, T, V]`; logits at t see tokens ≤ t. */
  forward(params: LanguageModelParams, tokens: Tensor, o?: RunOptions): Tensor;
  initState(batch: number, o?: StateOptions): LanguageModelState;
  /** Train form with a carry: tokens `[B, T]` → logits `[B, T, V]`, or `[B, V]` with `lastOnly`; the state is moved in. */
  prefill(
    params: LanguageModelParams,
    tokens: Tensor,
    state: LanguageModelState,
    o?: PrefillOptions,
  ): [logits: Tensor, state: LanguageModelState];
  /** Inference form: token `[B]` → logits `[B, V]`; the state is moved in. */
  step(
    params: LanguageModelParams,
    token: Tensor,
    state: LanguageModelState,
    o?: RunOptions,
  ): [logits: Tensor, state: LanguageModelState];
  /** Mean cross-entropy in nats per token of tokens `[B, T+1]`: position t predicts t + 1. */
  loss(params: LanguageModelParams, tokens: Tensor, o?: LossOptions): Tensor;
  /** The same with a state carried in and out, for truncated backpropagation; the state is moved in. */
  lossWithState(
    params: LanguageModelParams,
    tokens: Tensor,
    state: LanguageModelState,
    o?: LossOptions,
  ): [loss: Tensor, state: LanguageModelState];
  /** Log-probability of every token after the first: tokens `[B, T]` → `[B, T−1]`, in nats, ≤ 0. */
  score(params: LanguageModelParams, tokens: Tensor, o?: RunOptions): Tensor;
  /** Ids after a prompt, one by one, by `prefill` and `step`. */
  generate(
    params: LanguageModelParams,
    prompt: ArrayLike<number>,
    o: GenerateOptions,
  ): AsyncGenerator<number, void, undefined>;
  /** The same ids, each with its log-probability under the model. */
  generateWithScores(
    params: LanguageModelParams,
    prompt: ArrayLike<number>,
    o: GenerateOptions,
  ): AsyncGenerator<ScoredToken, void, undefined>;
  /**
   * Ids after several prompts of whatever lengths, one per prompt at a time; null for a prompt whose text has ended.
   * With temperature 0 each row is what `generate` gives for its prompt.
   */
  generateBatch(
    params: LanguageModelParams,
    prompts: readonly ArrayLike<number>[],
    o: GenerateOptions,
  ): AsyncGenerator<(number | null)[], void, undefined>;
  /** Sum over all parts. */
  cost(at: CostAt): Cost;
}
