import type { CostAt, RunOptions, StateOptions } from '@seq/nn';
import {
  compile,
  crossEntropy,
  disposeTree,
  IndexError,
  OptionError,
  ShapeError,
  tensor,
  treeLeaves,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { breathe } from './breathe.js';
import { checkIds } from './data.js';
import type { TokenIds } from './data.js';

/** The parts of a language model that evaluation uses. */
export interface Evaluable<P, S> {
  readonly spec: { readonly vocabSize: number };
  forward(params: P, tokens: Tensor, o?: RunOptions): Tensor;
  initState(batch: number, o?: StateOptions): S;
  prefill(params: P, tokens: Tensor, state: S, o?: RunOptions): [logits: Tensor, state: S];
  cost(at: CostAt): { readonly stateFloats: number };
}

/** How a text is cut for evaluation. */
export interface EvaluateOptions {
  /** Rows computed together. */
  readonly B?: number;
  /** Positions computed together. */
  readonly T?: number;
  /** Hand the state from window to window. Default: yes unless the state grows with the text (caches). */
  readonly carry?: boolean;
  /** Without carry: positions at the head of each window that only serve as context, in [0, T). */
  readonly overlap?: number;
  readonly signal?: AbortSignal;
}

/** What an evaluation found. */
export interface Evaluation {
  /** Mean cross-entropy in nats per token. */
  readonly nats: number;
  /** Tokens scored: all but the first. */
  readonly tokens: number;
}

/** One call's worth of work on the host. Targets of −100 do not count. */
interface Window {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
}

const ignored = -100;
const evaluators = new WeakMap<object, Evaluators>();

interface Evaluators {
  plain(params: unknown, inputs: Tensor, targets: Tensor): Tensor;
  carried(params: unknown, inputs: Tensor, targets: Tensor, state: unknown): [Tensor, unknown];
}

/**
 * Mean cross-entropy of a model over a whole text; every token after the first is scored exactly once.
 *
 * With `carry` the text is laid out as B rows of ⌈(N − 1) / B⌉ targets, and each row's state goes from window to
 * window: a token sees everything before it in its row, at least the one token before it. Without `carry` windows of
 * T inputs advance by T − overlap: a token sees between max(1, overlap + 1) and T tokens, those of its window (the first
 * window sees fewer). The mean does not depend on B and T beyond that.
 *
 * @param tokens  N ≥ 2 token ids
 * @throws ShapeError   fewer than two ids
 * @throws IndexError   an id that the model does not know
 * @throws OptionError  sizes out of range; the signal's reason when aborted
 */
export async function evaluate<P, S>(
  lm: Evaluable<P, S>,
  params: P,
  tokens: TokenIds,
  { B = 8, T = 128, carry = !stateGrows(lm), overlap = 0, signal }: EvaluateOptions = {},
): Promise<Evaluation> {
  if (!Number.isInteger(B) || B < 1)
    throw new OptionError(`evaluate: B must be a positive integer, got ${B}. It counts rows.`);
  if (!Number.isInteger(T) || T < 1)
    throw new OptionError(
      `evaluate: T must be a positive integer, got ${T}. It counts positions of a window.`,
    );
  if (!Number.isInteger(overlap) || overlap < 0 || overlap >= T) {
    throw new OptionError(
      `evaluate: overlap must be an integer in [0, T = ${T}), got ${overlap}. It counts repeated positions of a window.`,
    );
  }
  if (carry && overlap > 0)
    throw new OptionError(
      `evaluate: overlap is for windows without a carried state, got ${overlap} with carry. Leave one of the two out.`,
    );
  const { ids, maxId } = checkIds('evaluate', tokens);
  if (ids.length < 2)
    throw new ShapeError(
      `evaluate: at least two tokens are needed to predict one, got ${ids.length}. Use a longer text.`,
    );
  if (maxId >= lm.spec.vocabSize) {
    throw new IndexError(
      `evaluate: ids must be below vocabSize = ${lm.spec.vocabSize}, got ${maxId}. Encode the text with the model's own vocabulary.`,
    );
  }

  const { device, dtype } = treeLeaves(params)[0] ?? {};
  const run = evaluatorsOf(lm);
  const rowLength = Math.ceil((ids.length - 1) / B);
  let state: unknown = carry
    ? lm.initState(B, { device, dtype, maxLength: Math.ceil(rowLength / T) * T })
    : undefined;
  let sum = 0;
  try {
    for (const { inputs, targets } of carry ? rows(ids, B, T) : slices(ids, B, T, overlap)) {
      signal?.throwIfAborted();
      await breathe();
      const x = tensor(inputs, { shape: [B, T], device });
      const y = tensor(targets, { shape: [B, T], device });
      let part: Tensor;
      if (carry) [part, state] = run.carried(params, x, y, state);
      else part = run.plain(params, x, y);
      sum += await part.item();
      disposeTree([x, y, part]);
    }
  } finally {
    disposeTree(state);
  }
  return { nats: sum / (ids.length - 1), tokens: ids.length - 1 };
}

/** True when the state of a model gets larger with every token, as caches do. */
export function stateGrows(lm: { cost(at: CostAt): { readonly stateFloats: number } }): boolean {
  const at = (past: number): number => lm.cost({ B: 1, T: 1, form: 'step', past }).stateFloats;
  return at(1) !== at(4096);
}

/** Windows of B long rows; short rows are filled up with ignored targets. */
function* rows(ids: Int32Array, B: number, T: number): Generator<Window> {
  const targets = ids.length - 1;
  const rowLength = Math.ceil(targets / B);
  for (let from = 0; from < rowLength; from += T) {
    yield window(B, T, (b, t) => {
      const i = b * rowLength + from + t;
      return from + t < rowLength && i < targets ? [ids[i], ids[i + 1]] : [0, ignored];
    });
  }
}

/** Overlapping windows, B at a time. */
function* slices(ids: Int32Array, B: number, T: number, overlap: number): Generator<Window> {
  const targets = ids.length - 1;
  const stride = T - overlap;
  const count = Math.max(1, Math.ceil((targets - overlap) / stride));
  for (let first = 0; first < count; first += B) {
    yield window(B, T, (b, t) => {
      const n = first + b;
      const i = n * stride + t;
      if (n >= count || i >= targets) return [0, ignored];
      return [ids[i], n > 0 && t < overlap ? ignored : ids[i + 1]];
    });
  }
}

function window(B: number, T: number, at: (b: number, t: number) => [input: number, target: number]): Window {
  const inputs = new Int32Array(B * T);
  const targets = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) [inputs[b * T + t], targets[b * T + t]] = at(b, t);
  }
  return { inputs, targets };
}

/** Compiled once per model. */
function evaluatorsOf<P, S>(lm: Evaluable<P, S>): Evaluators {
  let made = evaluators.get(lm);
  if (made === undefined) {
    const total = (logits: Tensor, targets: Tensor): Tensor =>
      crossEntropy(logits, targets, { reduction: 'sum', ignoreIndex: ignored });
    made = {
      plain: compile(
        (params: unknown, inputs: Tensor, targets: Tensor) => total(lm.forward(params as P, inputs), targets),
        { name: 'evaluate' },
      ),
      carried: compile(
        (params: unknown, inputs: Tensor, targets: Tensor, state: unknown): [Tensor, unknown] => {
          const [logits, next] = lm.prefill(params as P, inputs, state as S);
          return [total(logits, targets), next];
        },
        { name: 'evaluate', donate: [3] },
      ),
    };
    evaluators.set(lm, made);
  }
  return made;
}
