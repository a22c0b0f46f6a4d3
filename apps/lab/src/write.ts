import type { LanguageModel, LanguageModelParams } from '@seq/lm';
import { foldIn } from '@seq/tensor';
import type { Key } from '@seq/tensor';

/** How text is written. */
export interface WriteOptions {
  /** Tokens to write. */
  readonly count: number;
  /** Positions that the model was trained on; a cache is never longer. */
  readonly window: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly key: Key;
  readonly signal?: AbortSignal;
}

/** True when the state of a model grows with every token, as the cache of attention does. */
export function stateGrows(lm: LanguageModel): boolean {
  const at = (past: number): number => lm.cost({ B: 1, T: 1, form: 'step', past }).stateFloats;
  return at(1) !== at(64);
}

/**
 * Tokens after a prompt, generated one step at a time.
 *
 * A state of constant size goes on for as long as one likes. A cache is good for the positions that the model was
 * trained on: when it is full, writing goes on from its last half.
 */
export async function* writeTokens(
  lm: LanguageModel,
  params: LanguageModelParams,
  prompt: Int32Array,
  o: WriteOptions,
): AsyncGenerator<number, void, undefined> {
  const { temperature, topK, topP, signal } = o;
  const drawing = {
    temperature,
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
    ...(signal === undefined ? {} : { signal }),
  };
  if (!stateGrows(lm)) {
    yield* lm.generate(params, prompt, { ...drawing, maxNewTokens: o.count, key: o.key });
    return;
  }
  const half = Math.max(1, Math.floor(o.window / 2));
  const context = [...prompt];
  for (let written = 0, part = 0; written < o.count && !signal?.aborted; part++) {
    if (part > 0 || context.length >= o.window) context.splice(0, context.length - half);
    const room = Math.max(1, o.window - context.length);
    const key = foldIn(o.key, part);
    try {
      const maxNewTokens = Math.min(room, o.count - written);
      for await (const token of lm.generate(params, context.slice(), { ...drawing, maxNewTokens, key })) {
        context.push(token);
        written++;
        yield token;
      }
    } finally {
      key.dispose();
    }
  }
}
