import {
  arange,
  clip,
  compile,
  disposeTree,
  eq,
  foldIn,
  key as makeKey,
  logSoftmax,
  lt,
  or,
  scope,
  takeAlong,
  tensor,
  treeLeaves,
  where,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import { breathe } from './breathe.js';
import { repetitionPenalty, sample } from './sample.js';
import type { LanguageModel, LanguageModelParams, LanguageModelState } from './types.js';

/** What decoding is given; checked by its callers. */
export interface DecodeOptions {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK: number | undefined;
  readonly topP: number | undefined;
  readonly repetitionPenalty: number;
  readonly key: Key | undefined;
  readonly signal: AbortSignal | undefined;
  /** Compute log-probabilities as well. */
  readonly scored: boolean;
}

/** One token for every row. */
export interface Decoded {
  /** [B] */
  readonly ids: ArrayLike<number>;
  /** [B] log-probabilities, when asked for. */
  readonly logProbs: ArrayLike<number> | undefined;
}

/** Gives a token for every row at a time; whoever iterates decides which rows still count. */
export type Decoder = (
  params: LanguageModelParams,
  prompts: readonly Int32Array<ArrayBuffer>[],
  o: DecodeOptions,
) => AsyncGenerator<Decoded, void, undefined>;

/** How a token is drawn; numbers are tensors, so that one plan serves every token. */
interface Draw {
  readonly key: Key;
  /** [] i32: number of the token to be drawn. */
  readonly index: Tensor;
  readonly temperature: Tensor | 0;
  readonly topP: Tensor | undefined;
  readonly topK: number | undefined;
  readonly penalty: Tensor | undefined;
  readonly scored: boolean;
}

/** What is moved from token to token. */
interface Carry {
  readonly state: LanguageModelState;
  /** [B, V] bool: ids that occurred in the row; absent without a penalty. */
  readonly seen: Tensor | undefined;
}

/** A token for each row and what belongs to it. */
interface Drawn {
  readonly carry: Carry;
  /** [B] i32 */
  readonly token: Tensor;
  /** [B] */
  readonly logProb: Tensor | undefined;
  /** [] i32: number of the next token. */
  readonly index: Tensor;
}

/** Positions of a prompt that are read at once. */
const chunk = 512;
/** Caches are made in multiples of this, so that prompts of similar length share a plan. */
const cacheStep = 64;

/**
 * Makes the loop behind `generate`, `generateWithScores` and `generateBatch`: prompts go through `prefill`, every
 * further token of all rows through one compiled `step`.
 *
 * Memory does not grow with the number of tokens: the state is moved from step to step, and only the ids are
 * read back.
 */
export function decoder(lm: LanguageModel): Decoder {
  const V = lm.spec.vocabSize;

  /** logits [B, V] → a token for each row */
  const draw = (
    logits: Tensor,
    { state, seen }: Carry,
    { key, index, temperature, topK, topP, penalty, scored }: Draw,
  ): Drawn => {
    const shown = seen && penalty ? repetitionPenalty(logits, seen, penalty) : logits;
    const token = sample(shown, foldIn(key, index), { temperature, topK, topP });
    const column = token.expandDims(-1);
    const isIt = (): Tensor => eq(arange(0, V, 1, { dtype: 'i32', device: token.device }), column);
    return {
      carry: { state, seen: seen && or(seen, isIt()) },
      token,
      logProb: scored ? takeAlong(logSoftmax(logits, -1), column, -1).squeeze(-1) : undefined,
      index: index.add(1),
    };
  };

  const advance = compile(
    (params: LanguageModelParams, { state, seen }: Carry, token: Tensor, d: Draw): Drawn => {
      const [logits, next] = lm.step(params, token, state);
      return draw(logits, { state: next, seen }, d);
    },
    { donate: [1], name: 'lm.generate' },
  );

  /** Reads prompts of whatever lengths; the logits are those after each row's last id. */
  const read = (
    params: LanguageModelParams,
    prompts: readonly Int32Array<ArrayBuffer>[],
    room: number,
  ): [logits: Tensor, state: LanguageModelState] => {
    const { device, dtype } = treeLeaves(params)[0] ?? {};
    const B = prompts.length;
    const sizes = prompts.map((p) => p.length);
    const longest = Math.max(...sizes);
    const even = sizes.every((n) => n === longest);
    const maxLength = Math.ceil((longest + room) / cacheStep) * cacheStep;
    let state = lm.initState(B, { device, dtype, maxLength });
    let last: Tensor | undefined;
    for (let from = 0; from < longest; from += chunk) {
      const T = Math.min(chunk, longest - from);
      const ids = new Int32Array(B * T);
      prompts.forEach((p, b) => ids.set(p.subarray(from, from + T), b * T));
      const tokens = tensor(ids, { shape: [B, T], device });
      if (even) {
        [last, state] = lm.prefill(params, tokens, state, { lastOnly: true });
        continue;
      }
      const left = tensor(
        Int32Array.from(sizes, (n) => n - from),
        { device },
      );
      const lengths = clip(left, 0, T);
      const [here, next] = lm.prefill(params, tokens, state, { lastOnly: true, lengths });
      last = last ? where(lt(left, 1).expandDims(-1), last, here) : here;
      state = next;
    }
    return [last!, state];
  };

  return async function* decode(params, prompts, o) {
    const { maxNewTokens, temperature, topK, topP, signal, scored } = o;
    if (maxNewTokens === 0) return;
    const { device, dtype } = treeLeaves(params)[0] ?? {};
    const number = (x: number | undefined): Tensor | undefined =>
      x === undefined ? undefined : tensor(x, { device, dtype });
    const penalised = o.repetitionPenalty !== 1;
    const fixed = {
      key: o.key ?? makeKey(0, { device }),
      temperature: temperature === 0 ? (0 as const) : number(temperature)!,
      topP: number(topP),
      topK,
      penalty: penalised ? number(o.repetitionPenalty) : undefined,
      scored,
    };
    let now: Drawn | undefined;
    try {
      now = scope(() => {
        const [logits, state] = read(params, prompts, maxNewTokens);
        const seen = penalised ? tensor(occurring(prompts, V), { dtype: 'bool', device }) : undefined;
        const carry = { state, seen: seen?.reshape([prompts.length, V]) };
        return draw(logits, carry, { ...fixed, index: tensor(0, { device, dtype: 'i32' }) });
      });
      for (let n = 1; !signal?.aborted; n++) {
        await breathe();
        const { carry, token, logProb, index }: Drawn = now;
        yield { ids: await token.data(), logProbs: await logProb?.data() };
        if (n === maxNewTokens) return;
        now = advance(params, carry, token, { ...fixed, index });
        disposeTree([token, logProb, index]);
      }
    } finally {
      disposeTree([now, fixed.temperature, fixed.topP, fixed.penalty, o.key ? undefined : fixed.key]);
    }
  };
}

/** [B · V] of 0 and 1: which ids occur in each prompt. */
function occurring(prompts: readonly Int32Array[], V: number): Uint8Array<ArrayBuffer> {
  const flags = new Uint8Array(prompts.length * V);
  prompts.forEach((ids, b) => ids.forEach((id) => (flags[b * V + id] = 1)));
  return flags;
}
