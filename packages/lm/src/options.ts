import { checkActivation, gatedHidden } from '@seq/nn';
import type { Activation, Mixer } from '@seq/nn';
import { OptionError } from '@seq/tensor';

/** The position-wise network that follows each mixer. */
export interface FeedForwardOptions {
  /** Inner width; default 4·dModel, or 8·dModel/3 rounded up to a multiple of 64 when gated. */
  readonly hidden?: number;
  /** `W2 (f(Wg x) ∘ Wu x)` instead of `W2 f(W1 x)`. */
  readonly gated?: boolean;
  /** Default gelu, or silu when gated. */
  readonly activation?: Activation;
  readonly bias?: boolean;
}

/** What a language model is made of. */
export interface LanguageModelOptions {
  /** Number of token ids; ids are 0 … vocabSize − 1. */
  readonly vocabSize: number;
  /** Width C of the residual stream; every mixer's dModel. */
  readonly dModel: number;
  /** One block per entry, in order; all causal. The same value may appear several times and gets parameters each time. */
  readonly mixers: readonly Mixer[];
  /** The network after each mixer; false for none. */
  readonly feedForward?: FeedForwardOptions | false;
  /** Normalisation before each branch and before the head; false for none. */
  readonly norm?: 'rms' | 'layer' | false;
  /** What the normalisation adds to the mean square or variance; default 1e-6 for 'rms', 1e-5 for 'layer'. */
  readonly normEps?: number;
  /** The head reads the embedding's table instead of one of its own. */
  readonly tieEmbeddings?: boolean;
  /** The head adds a number of its own to each logit. Default false. */
  readonly headBias?: boolean;
  /**
   * Standard deviation of a fresh embedding. Default 0.25, small beside what the blocks add and large enough for
   * attention to tell tokens apart; 0.02 where the same table makes the logits.
   */
  readonly embeddingStd?: number;
  /** Share of activations dropped after the embedding and each branch, in [0, 1); active only in runs that get a `key`. */
  readonly dropout?: number;
  /** False: tokens enter as one-hot vectors, without parameters (needs dModel = vocabSize). */
  readonly embedding?: boolean;
  /** False: the residual stream itself is the logits, without parameters (needs dModel = vocabSize). */
  readonly head?: boolean;
  /** False: a block's output replaces its input instead of being added to it. */
  readonly residual?: boolean;
}

/** Options with every default filled in; the mixers apart. */
export interface ResolvedOptions {
  readonly vocabSize: number;
  readonly dModel: number;
  readonly feedForward: Required<FeedForwardOptions> | false;
  readonly norm: 'rms' | 'layer' | false;
  readonly normEps: number;
  readonly tieEmbeddings: boolean;
  readonly headBias: boolean;
  readonly embeddingStd: number;
  readonly dropout: number;
  readonly embedding: boolean;
  readonly head: boolean;
  readonly residual: boolean;
}

/** Fills in the defaults and checks every value. */
export function resolveOptions({
  vocabSize,
  dModel,
  mixers,
  feedForward = {},
  norm = 'rms',
  normEps = norm === 'layer' ? 1e-5 : 1e-6,
  tieEmbeddings = false,
  headBias = false,
  dropout = 0,
  embedding = true,
  head = true,
  residual = true,
  embeddingStd = tieEmbeddings || !head ? 0.02 : 0.25,
}: LanguageModelOptions): ResolvedOptions {
  positiveInteger('vocabSize', vocabSize);
  positiveInteger('dModel', dModel);
  if (!Array.isArray(mixers)) {
    throw new OptionError(
      `languageModel: mixers must be a list, got ${typeof mixers}. Write mixers: [gru({ dModel: ${dModel} })].`,
    );
  }
  mixers.forEach((mixer: Mixer, i) => {
    const kind = mixer?.spec?.kind ?? typeof mixer;
    if (mixer?.causal !== true) {
      throw new OptionError(
        `languageModel: every mixer must be causal to predict the next token, got mixers[${i}] = ${kind} which sees the whole sequence.` +
          ' Use a causal mixer; noncausal ones fit encoders.',
      );
    }
    if (mixer.spec.dModel !== dModel) {
      throw new OptionError(
        `languageModel: every mixer must have the model's dModel = ${dModel}, got mixers[${i}] = ${kind} with dModel = ${mixer.spec.dModel}. Give both the same width.`,
      );
    }
  });
  if (!(dropout >= 0 && dropout < 1)) {
    throw new OptionError(
      `languageModel: dropout must be in [0, 1), got ${dropout}. 0.1 drops one activation in ten.`,
    );
  }
  if (!(embeddingStd >= 0 && embeddingStd < Infinity)) {
    throw new OptionError(
      `languageModel: embeddingStd must be a finite number ≥ 0, got ${embeddingStd}. Usual values are 0.02 … 1.`,
    );
  }
  if (norm !== 'rms' && norm !== 'layer' && norm !== false) {
    throw new OptionError(
      `languageModel: norm must be 'rms', 'layer' or false, got ${String(norm)}. Choose one of these.`,
    );
  }
  if (!(normEps >= 0 && normEps < Infinity)) {
    throw new OptionError(
      `languageModel: normEps must be a finite number ≥ 0, got ${normEps}. Usual values are 1e-6 and 1e-5.`,
    );
  }
  if (!embedding && tieEmbeddings) {
    throw new OptionError(
      'languageModel: tieEmbeddings needs an embedding, got embedding: false. Leave one of the two out.',
    );
  }
  if (!head && tieEmbeddings) {
    throw new OptionError(
      'languageModel: tieEmbeddings needs a head, got head: false. Leave one of the two out.',
    );
  }
  if (headBias && (tieEmbeddings || !head)) {
    throw new OptionError(
      `languageModel: headBias needs a head of its own, got ${head ? 'tieEmbeddings: true' : 'head: false'}. Leave one of the two out.`,
    );
  }
  for (const [name, on] of [
    ['embedding', embedding],
    ['head', head],
  ] as const) {
    if (!on && dModel !== vocabSize) {
      throw new OptionError(
        `languageModel: ${name}: false needs dModel = vocabSize, got ${dModel} and ${vocabSize}. Make them equal or keep the ${name}.`,
      );
    }
  }
  return {
    vocabSize,
    dModel,
    feedForward: feedForward === false ? false : resolveFeedForward(feedForward, dModel),
    norm,
    normEps,
    tieEmbeddings,
    headBias,
    embeddingStd,
    dropout,
    embedding,
    head,
    residual,
  };
}

function resolveFeedForward(
  { gated = false, activation = gated ? 'silu' : 'gelu', bias = !gated, hidden }: FeedForwardOptions,
  dModel: number,
): Required<FeedForwardOptions> {
  const width = hidden ?? (gated ? gatedHidden(dModel) : 4 * dModel);
  positiveInteger('feedForward.hidden', width);
  checkActivation('languageModel', activation);
  return { hidden: width, gated, activation, bias };
}

function positiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new OptionError(
      `languageModel: ${name} must be a positive integer, got ${value}. Count what it stands for.`,
    );
  }
}
