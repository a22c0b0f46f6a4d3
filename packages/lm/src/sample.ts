import {
  argMax,
  categorical,
  cumsum,
  cast,
  gt,
  lt,
  OptionError,
  softmax,
  takeAlong,
  topK as largest,
  where,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';

/** How the next token is drawn. */
export interface SampleOptions {
  /** Logits are divided by it; 1 keeps the model's own distribution, 0 always takes the likeliest token. */
  readonly temperature?: number | Tensor;
  /** Draw among the k likeliest tokens only. */
  readonly topK?: number;
  /** Draw among the likeliest tokens whose probabilities first reach this sum, in (0, 1]. */
  readonly topP?: number | Tensor;
}

/**
 * Draws one token per row.
 *
 *   p = softmax(logits / temperature), cut to the topK largest, then to the fewest largest with Σ p ≥ topP
 *
 * Equal logits count in the order of their ids. Temperature and topP given as scalar tensors are data:
 * a compiled function then serves all their values.
 *
 * @param logits [..., V]
 * @param key    [2] u32; not used when the temperature is the number 0
 * @returns      [...] i32
 * @throws OptionError  temperature < 0, topK no positive integer, topP outside (0, 1]
 */
export function sample(
  logits: Tensor,
  key: Key,
  { temperature = 1, topK, topP }: SampleOptions = {},
): Tensor {
  checkSampling('sample', { temperature, topK, topP });
  if (temperature === 0) return argMax(logits, -1);
  const V = logits.shape.at(-1)!;
  const scaled = temperature === 1 ? logits : logits.div(temperature);
  const k = Math.min(topK ?? V, V);
  if (k === V && topP === undefined) return categorical(key, scaled);
  const [values, ids] = largest(scaled, k); // [..., k], falling
  let kept = values;
  if (topP !== undefined) {
    const before = cumsum(softmax(values, -1), -1, { exclusive: true });
    kept = where(lt(before, topP), values, -Infinity); // the token that crosses topP stays
  }
  const rank = categorical(key, kept);
  return cast(takeAlong(ids, rank.expandDims(-1), -1).squeeze(-1), 'i32');
}

/**
 * Makes tokens that have occurred less likely.
 *
 *   x_v ← x_v / θ  where x_v > 0,   x_v · θ  where x_v ≤ 0,   for ids v that occurred; the others stay
 *
 * θ above 1 discourages repetition, 1 changes nothing, below 1 encourages it. The form with two cases is the one in
 * common use: dividing a negative logit would raise its probability.
 *
 * @param logits  [..., V]
 * @param seen    [..., V] bool: true for ids that occurred
 * @param penalty θ > 0; a scalar tensor is data of a compiled function
 * @returns       [..., V]
 * @throws OptionError  a penalty that is no finite number > 0
 * @see Keskar et al. 2019, arXiv:1909.05858, section 4.1
 */
export function repetitionPenalty(logits: Tensor, seen: Tensor, penalty: number | Tensor): Tensor {
  if (typeof penalty === 'number') checkPenalty('repetitionPenalty', penalty);
  const lowered = where(gt(logits, 0), logits.div(penalty), logits.mul(penalty));
  return where(seen, lowered, logits);
}

/** Checks a repetition penalty that is a number. */
export function checkPenalty(where_: string, penalty: number): void {
  if (!(penalty > 0 && penalty < Infinity)) {
    throw new OptionError(
      `${where_}: repetitionPenalty must be a finite number > 0, got ${penalty}. 1 is none, 1.2 is usual.`,
    );
  }
}

/** Checks the options of `sample` that are numbers. */
export function checkSampling(where_: string, { temperature, topK, topP }: SampleOptions): void {
  if (typeof temperature === 'number' && !(temperature >= 0 && temperature < Infinity)) {
    throw new OptionError(
      `${where_}: temperature must be a number ≥ 0, got ${temperature}. 0 is greedy, 1 samples from the model as it is.`,
    );
  }
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 1)) {
    throw new OptionError(
      `${where_}: topK must be a positive integer, got ${topK}. Leave it out to draw among all tokens.`,
    );
  }
  if (typeof topP === 'number' && !(topP > 0 && topP <= 1)) {
    throw new OptionError(
      `${where_}: topP must be in (0, 1], got ${topP}. Leave it out to draw among all tokens.`,
    );
  }
}
