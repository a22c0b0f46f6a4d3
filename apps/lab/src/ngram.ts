/** 1 predicts from nothing, 2 from the last character, 3 from the last two. */
export type NGramOrder = 1 | 2 | 3;

/**
 * An add-α n-gram: p(k | context) = (c(context, k) + α) / (c(context) + α V).
 * A context that training never saw gives 1/V.
 */
export interface NGram {
  readonly order: NGramOrder;
  readonly vocabSize: number;
  readonly alpha: number;
  /** Counts of context·V + next. */
  readonly pairs: ReadonlyMap<number, number>;
  /** Counts of the contexts, over the same positions. */
  readonly contexts: ReadonlyMap<number, number>;
}

/**
 * Counts the n-grams of `tokens` and chooses α on the same tokens.
 *
 * α maximises the leave-one-out likelihood: each position is predicted from the counts of all other positions,
 * Σ c(h,k) log((c(h,k) − 1 + α) / (c(h) − 1 + α V)), so no other text is touched.
 * Give `alpha` to fix it instead.
 */
export function fitNGram(
  tokens: Int32Array,
  o: { order: NGramOrder; vocabSize: number; alpha?: number },
): NGram {
  const { order, vocabSize } = o;
  const pairs = new Map<number, number>();
  const contexts = new Map<number, number>();
  for (let i = order - 1; i < tokens.length; i++) {
    const context = contextAt(tokens, i, order, vocabSize);
    const pair = context * vocabSize + tokens[i];
    contexts.set(context, (contexts.get(context) ?? 0) + 1);
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  return { order, vocabSize, alpha: o.alpha ?? bestAlpha(pairs, contexts, vocabSize), pairs, contexts };
}

/** The natural logarithm of the probability of `tokens[i]` after the tokens before it; needs i ≥ order − 1. */
export function logProbability(model: NGram, tokens: Int32Array, i: number): number {
  const context = contextAt(tokens, i, model.order, model.vocabSize);
  const pair = model.pairs.get(context * model.vocabSize + tokens[i]) ?? 0;
  const total = model.contexts.get(context) ?? 0;
  return Math.log((pair + model.alpha) / (total + model.alpha * model.vocabSize));
}

/** Mean of −log p in nats over `tokens[start ..]`; contexts may reach before `start`. */
export function evaluateNGram(model: NGram, tokens: Int32Array, start: number): number {
  let sum = 0;
  for (let i = start; i < tokens.length; i++) sum -= logProbability(model, tokens, i);
  return sum / (tokens.length - start);
}

/** Mean leave-one-out −log p in nats of the text that the counts come from. */
export function leaveOneOut(model: Pick<NGram, 'pairs' | 'contexts' | 'vocabSize'>, alpha: number): number {
  return leaveOneOutOf(countsOfCounts(model.pairs, model.contexts, model.vocabSize), model.vocabSize, alpha);
}

function contextAt(tokens: Int32Array, i: number, order: NGramOrder, vocabSize: number): number {
  if (order === 1) return 0;
  return order === 2 ? tokens[i - 1] : tokens[i - 2] * vocabSize + tokens[i - 1];
}

/** How many n-grams share each pair (count, count of its context): all that the likelihood depends on. */
interface CountOfCounts {
  readonly pair: number;
  readonly context: number;
  times: number;
}

function countsOfCounts(
  pairs: ReadonlyMap<number, number>,
  contexts: ReadonlyMap<number, number>,
  vocabSize: number,
): CountOfCounts[] {
  const groups = new Map<string, CountOfCounts>();
  for (const [key, pair] of pairs) {
    const context = contexts.get(Math.floor(key / vocabSize))!;
    const group = groups.get(`${pair}/${context}`);
    if (group) group.times++;
    else groups.set(`${pair}/${context}`, { pair, context, times: 1 });
  }
  return [...groups.values()];
}

function leaveOneOutOf(groups: readonly CountOfCounts[], vocabSize: number, alpha: number): number {
  let sum = 0;
  let positions = 0;
  for (const { pair, context, times } of groups) {
    sum -= times * pair * Math.log((pair - 1 + alpha) / (context - 1 + alpha * vocabSize));
    positions += times * pair;
  }
  return sum / positions;
}

/** Minimum over log α in [1e-6, 1e3]: a grid of steps of ×2, then golden section around the best point. */
function bestAlpha(
  pairs: ReadonlyMap<number, number>,
  contexts: ReadonlyMap<number, number>,
  vocabSize: number,
): number {
  const groups = countsOfCounts(pairs, contexts, vocabSize);
  const loss = (logAlpha: number): number => leaveOneOutOf(groups, vocabSize, Math.exp(logAlpha));
  let best = Math.log(1e-6);
  for (let x = best; x <= Math.log(1e3); x += Math.LN2) if (loss(x) < loss(best)) best = x;
  const golden = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [best - Math.LN2, best + Math.LN2];
  while (high - low > 1e-6) {
    const left = high - golden * (high - low);
    const right = low + golden * (high - low);
    if (loss(left) <= loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}

/** The three floors of one split, in nats per validation character. */
export interface Floors {
  readonly unigram: Floor;
  readonly bigram: Floor;
  readonly trigram: Floor;
}

export interface Floor {
  readonly nats: number;
  readonly alpha: number;
}

/** Fits the three n-grams on `tokens[0 .. cut)` and evaluates them on every token from `cut` on. */
export function ngramFloors(tokens: Int32Array, cut: number, vocabSize: number): Floors {
  const floor = (order: NGramOrder): Floor => {
    const model = fitNGram(tokens.subarray(0, cut), { order, vocabSize });
    return { nats: evaluateNGram(model, tokens, cut), alpha: model.alpha };
  };
  return { unigram: floor(1), bigram: floor(2), trigram: floor(3) };
}
