import { OptionError } from '@seq/tensor';
import type { Key } from '@seq/tensor';
import { checkIds } from './check.js';
import { decoder } from './decode.js';
import type { DecodeOptions } from './decode.js';
import { checkPenalty, checkSampling } from './sample.js';
import type { LanguageModel } from './types.js';

/** How text is generated. */
export interface GenerateOptions {
  /** Most ids to give, for each row. */
  readonly maxNewTokens: number;
  /** 1 samples from the model as it is, below 1 is bolder, 0 always takes the likeliest token. */
  readonly temperature?: number;
  /** Draw among the k likeliest tokens only. */
  readonly topK?: number;
  /** Draw among the likeliest tokens whose probabilities first reach this sum, in (0, 1]. */
  readonly topP?: number;
  /**
   * θ > 0: before all else, logits of ids that occurred in the prompt or since are divided by θ where they are
   * positive and multiplied by θ where they are not; see `repetitionPenalty`. Default 1: none; usual 1.1 … 1.3.
   */
  readonly repetitionPenalty?: number;
  /** The same key gives the same ids. Default key(0). */
  readonly key?: Key;
  /** Ids after which to end, or a function of the id, its number (0 first) and its row; the id that ends is still given. */
  readonly stop?: readonly number[] | ((id: number, index: number, row: number) => boolean);
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal;
}

/** A generated token and how likely the model held it. */
export interface ScoredToken {
  readonly id: number;
  /** Natural logarithm of its probability under the model itself, before penalty, temperature, topK and topP; ≤ 0. */
  readonly logProb: number;
}

/** The ways to generate of a language model. */
export type Generation = Pick<LanguageModel, 'generate' | 'generateWithScores' | 'generateBatch'>;

/** Makes the functions that generate text; they share one compiled step. */
export function generation(lm: LanguageModel): Generation {
  const decode = decoder(lm);

  async function* one(
    name: string,
    params: Parameters<LanguageModel['generate']>[0],
    prompt: ArrayLike<number>,
    o: GenerateOptions,
    scored: boolean,
  ): AsyncGenerator<ScoredToken, void, undefined> {
    const settings = checkOptions(name, o, scored);
    const ids = checkPrompt(name, 'the prompt', prompt, lm.spec.vocabSize);
    const ends = stopOf(o);
    let n = 0;
    for await (const { ids: drawn, logProbs } of decode(params, [ids], settings)) {
      const id = drawn[0];
      yield { id, logProb: logProbs ? logProbs[0] : NaN };
      if (ends(id, n++, 0)) return;
    }
  }

  return {
    async *generate(params, prompt, o) {
      for await (const { id } of one('lm.generate', params, prompt, o, false)) yield id;
    },

    generateWithScores: (params, prompt, o) => one('lm.generateWithScores', params, prompt, o, true),

    async *generateBatch(params, prompts, o) {
      const name = 'lm.generateBatch';
      const settings = checkOptions(name, o, false);
      if (prompts.length === 0)
        throw new OptionError(
          `${name}: there must be at least one prompt, got none. Pass a list of lists of ids.`,
        );
      const rows = prompts.map((p, b) => checkPrompt(name, `prompt ${b}`, p, lm.spec.vocabSize));
      const ends = stopOf(o);
      const ended = rows.map(() => false);
      let n = 0;
      for await (const { ids } of decode(params, rows, settings)) {
        const given = rows.map((_, b) => (ended[b] ? null : ids[b]));
        yield given;
        given.forEach((id, b) => (ended[b] ||= id !== null && ends(id, n, b)));
        if (ended.every(Boolean)) return;
        n++;
      }
    },
  };
}

function stopOf({ stop = [] }: GenerateOptions): (id: number, index: number, row: number) => boolean {
  return typeof stop === 'function' ? stop : (id) => stop.includes(id);
}

function checkOptions(
  name: string,
  { maxNewTokens, temperature = 1, topK, topP, repetitionPenalty = 1, key, signal }: GenerateOptions,
  scored: boolean,
): DecodeOptions {
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0) {
    throw new OptionError(
      `${name}: maxNewTokens must be an integer ≥ 0, got ${maxNewTokens}. Say how many ids to generate at most.`,
    );
  }
  checkSampling(name, { temperature, topK, topP });
  checkPenalty(name, repetitionPenalty);
  return { maxNewTokens, temperature, topK, topP, repetitionPenalty, key, signal, scored };
}

function checkPrompt(
  name: string,
  what: string,
  prompt: ArrayLike<number>,
  vocabSize: number,
): Int32Array<ArrayBuffer> {
  if (prompt.length === 0) {
    throw new OptionError(
      `${name}: ${what} must have at least one id, got none. Begin with a start token or any character, such as a newline.`,
    );
  }
  return checkIds(name, prompt, vocabSize);
}
