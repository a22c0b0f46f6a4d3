import {
  compile,
  disposeTree,
  foldIn,
  key as makeKey,
  OptionError,
  scope,
  tensor,
  treeLeaves,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import { breathe } from './breathe.js';
import { checkIds } from './check.js';
import { checkSampling, sample } from './sample.js';
import type { LanguageModel, LanguageModelParams, LanguageModelState } from './types.js';

/** How text is generated. */
export interface GenerateOptions {
  /** Most ids to give. */
  readonly maxNewTokens: number;
  /** 1 samples from the model as it is, below 1 is bolder, 0 always takes the likeliest token. */
  readonly temperature?: number;
  /** Draw among the k likeliest tokens only. */
  readonly topK?: number;
  /** Draw among the likeliest tokens whose probabilities first reach this sum, in (0, 1]. */
  readonly topP?: number;
  /** The same key gives the same ids. Default key(0). */
  readonly key?: Key;
  /** Ids after which to end, or a function of the id and its number (0 first); the id that ends is still given. */
  readonly stop?: readonly number[] | ((id: number, index: number) => boolean);
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal;
}

/** What the compiled step is given besides parameters; numbers are tensors, so that one plan serves every token. */
interface Draw {
  readonly key: Key;
  /** [] i32: number of the token to be drawn. */
  readonly index: Tensor;
  readonly temperature: Tensor | 0;
  readonly topP: Tensor | undefined;
  readonly topK: number | undefined;
}

/** Positions of a prompt that are read at once. */
const chunk = 512;
/** Caches are made in multiples of this, so that prompts of similar length share a plan. */
const cacheStep = 64;

/**
 * Makes `lm.generate`: the prompt goes through `prefill`, every further token through one compiled `step`.
 *
 * Memory does not grow with the number of tokens: the state is moved from step to step, and only the id
 * is read back.
 */
export function generator(
  lm: LanguageModel,
): (
  params: LanguageModelParams,
  prompt: ArrayLike<number>,
  o: GenerateOptions,
) => AsyncGenerator<number, void, undefined> {
  const draw = (logits: Tensor, { key, index, temperature, topK, topP }: Draw): Tensor =>
    sample(logits, foldIn(key, index), { temperature, topK, topP });

  const advance = compile(
    (
      params: LanguageModelParams,
      state: LanguageModelState,
      token: Tensor,
      d: Draw,
    ): [LanguageModelState, Tensor, Tensor] => {
      const [logits, next] = lm.step(params, token, state);
      return [next, draw(logits, d), d.index.add(1)];
    },
    { donate: [1], name: 'lm.generate' },
  );

  return async function* generate(params, prompt, o) {
    const { maxNewTokens, temperature = 1, topK, topP, stop = [], signal } = o;
    if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0) {
      throw new OptionError(
        `lm.generate: maxNewTokens must be an integer ≥ 0, got ${maxNewTokens}. Say how many ids to generate at most.`,
      );
    }
    checkSampling('lm.generate', { temperature, topK, topP });
    if (prompt.length === 0) {
      throw new OptionError(
        'lm.generate: the prompt must have at least one id, got none. Begin with a start token or any character, such as a newline.',
      );
    }
    const ids = checkIds('lm.generate', prompt, lm.spec.vocabSize);
    if (maxNewTokens === 0) return;
    const ends = typeof stop === 'function' ? stop : (id: number): boolean => stop.includes(id);

    const like = treeLeaves(params)[0];
    const { device, dtype } = like ?? {};
    const numbers = { device, dtype };
    const maxLength = Math.ceil((ids.length + maxNewTokens) / cacheStep) * cacheStep;
    const key = o.key ?? makeKey(0, { device });
    const fixed = {
      key,
      temperature: temperature === 0 ? (0 as const) : tensor(temperature, numbers),
      topP: topP === undefined ? undefined : tensor(topP, numbers),
      topK,
    };
    const counter = (n: number): Tensor => tensor(n, { device, dtype: 'i32' });
    let index: Tensor | undefined;
    let state: LanguageModelState = [];
    let token: Tensor | undefined;
    try {
      [state, token] = scope(() => {
        let s = lm.initState(1, { device, dtype, maxLength });
        let logits: Tensor;
        for (let from = 0; ; from += chunk) {
          const part = tensor(ids.subarray(from, from + chunk), {
            shape: [1, Math.min(chunk, ids.length - from)],
            device,
          });
          [logits, s] = lm.prefill(params, part, s, { lastOnly: true });
          if (from + chunk >= ids.length) break;
        }
        return [s, draw(logits, { ...fixed, index: counter(0) })] as [LanguageModelState, Tensor];
      });
      index = counter(1);
      for (let n = 0; !signal?.aborted; n++) {
        await breathe();
        const id = await token.item();
        yield id;
        if (n + 1 === maxNewTokens || ends(id, n)) return;
        const [nextState, nextToken, nextIndex]: [LanguageModelState, Tensor, Tensor] = advance(
          params,
          state,
          token,
          { ...fixed, index },
        );
        token.dispose();
        index.dispose();
        [state, token, index] = [nextState, nextToken, nextIndex];
      }
    } finally {
      disposeTree([state, token, index, fixed.temperature, fixed.topP, o.key ? undefined : key]);
    }
  };
}
