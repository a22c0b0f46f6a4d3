import {
  arange,
  compile,
  foldIn,
  gather,
  key as makeKey,
  OptionError,
  randomInt,
  ShapeError,
  tensor,
} from '@seq/tensor';
import type { Device, Key, Tensor } from '@seq/tensor';

/** Token ids as they are kept in memory: any list or typed array of integers. */
export type TokenIds = ArrayLike<number>;

/** What one training step reads. */
export interface Batch {
  /** [B, T+1] i32: inputs and, shifted by one, targets. */
  readonly tokens: Tensor;
  /** True when the rows begin anew: a carried state must be reset before this batch. */
  readonly fresh: boolean;
}

/** Batches by number: the same number always gives the same batch, so a resumed run goes on where it stopped. */
export interface Batches {
  readonly B: number;
  readonly T: number;
  /** True when a row goes on where the same row of the batch before ended. */
  readonly carried: boolean;
  /** Largest id among the tokens. */
  readonly maxId: number;
  at(step: number): Batch;
  /** Gives the memory of the tokens back. */
  dispose(): void;
}

/** Sizes of the batches. */
export interface BatchOptions {
  /** Rows. */
  readonly B: number;
  /** Predicted positions per row; a batch has T + 1 tokens per row. */
  readonly T: number;
  readonly device?: Device;
}

/** Options of `randomCrops`: a key, or a seed that stands for `key(seed)`. */
export interface RandomCropsOptions extends BatchOptions {
  readonly key?: Key;
  readonly seed?: number;
}

/**
 * Batches of stretches cut at random places: batch n is a function of the key and n.
 *
 *   start_b ~ uniform{0 … N − T − 1},   tokens[b] = ids[start_b … start_b + T]
 *
 * The ids live on the device and are cut there.
 *
 * @param ids  N ≥ T + 1 token ids
 * @throws OptionError  sizes that are no positive integers, ids that are no integers ≥ 0
 * @throws ShapeError   fewer than T + 1 ids
 */
export function randomCrops(ids: TokenIds, { B, T, seed = 0, key, device }: RandomCropsOptions): Batches {
  const corpus = load('randomCrops', ids, { B, T, device });
  const draw = key ?? makeKey(seed, { device });
  const cut = compile(
    (all: Tensor, k: Key, step: Tensor): Tensor =>
      windows(all, randomInt(foldIn(k, step), [B], { low: 0, high: ids.length - T }), T),
    { name: 'randomCrops' },
  );
  return {
    B,
    T,
    carried: false,
    maxId: corpus.maxId,
    at: (step) => ({ tokens: onStep(step, device, (s) => cut(corpus.tokens, draw, s)), fresh: true }),
    dispose: () => {
      cut.dispose();
      corpus.tokens.dispose();
      if (key === undefined) draw.dispose();
    },
  };
}

/**
 * Batches for truncated backpropagation: the ids are laid out as B long rows, read T at a time.
 *
 *   S = ⌊(N − 1) / B⌋,   batch n, row b = ids[b·S + w·T … b·S + (w+1)·T]   with w = n mod ⌊S / T⌋
 *
 * Every row goes on where it ended in the batch before; `fresh` marks the first batch of each pass. What
 * does not fill a whole window at the end of a row is left out.
 *
 * @param ids  N ≥ B·T + 1 token ids
 * @throws OptionError  sizes that are no positive integers, ids that are no integers ≥ 0
 * @throws ShapeError   too few ids for one window in each row
 */
export function contiguousStreams(ids: TokenIds, { B, T, device }: BatchOptions): Batches {
  const corpus = load('contiguousStreams', ids, { B, T, device });
  const S = Math.floor((ids.length - 1) / B);
  const perPass = Math.floor(S / T);
  if (perPass < 1) {
    corpus.tokens.dispose();
    throw new ShapeError(
      `contiguousStreams: B rows of at least T + 1 tokens are needed, got ${ids.length} ids for B = ${B} and T = ${T}. Lower B or T, or use a longer text.`,
    );
  }
  const cut = compile(
    (all: Tensor, window: Tensor): Tensor =>
      windows(all, arange(0, B, 1, { device, dtype: 'i32' }).mul(S).add(window.mul(T)), T),
    { name: 'contiguousStreams' },
  );
  return {
    B,
    T,
    carried: true,
    maxId: corpus.maxId,
    at: (step) => ({
      tokens: onStep(step % perPass, device, (w) => cut(corpus.tokens, w)),
      fresh: step % perPass === 0,
    }),
    dispose: () => {
      cut.dispose();
      corpus.tokens.dispose();
    },
  };
}

/** Rows of T + 1 tokens from each start: all [N], starts [B] → [B, T+1]. */
function windows(all: Tensor, starts: Tensor, T: number): Tensor {
  const offsets = arange(0, T + 1, 1, { device: all.device, dtype: 'i32' });
  return gather(all, starts.expandDims(1).add(offsets), 0);
}

function onStep(step: number, device: Device | undefined, f: (step: Tensor) => Tensor): Tensor {
  if (!Number.isInteger(step) || step < 0) {
    throw new OptionError(
      `batches.at: step must be an integer ≥ 0, got ${step}. Count training steps from 0.`,
    );
  }
  const number = tensor(step, { dtype: 'i32', device });
  try {
    return f(number);
  } finally {
    number.dispose();
  }
}

function load(
  name: string,
  ids: TokenIds,
  { B, T, device }: BatchOptions,
): { tokens: Tensor; maxId: number } {
  for (const [what, n] of [
    ['B', B],
    ['T', T],
  ] as const) {
    if (!Number.isInteger(n) || n < 1)
      throw new OptionError(
        `${name}: ${what} must be a positive integer, got ${n}. B counts rows, T predicted positions per row.`,
      );
  }
  if (ids.length < T + 1) {
    throw new ShapeError(
      `${name}: at least T + 1 = ${T + 1} token ids are needed, got ${ids.length}. Lower T or use a longer text.`,
    );
  }
  const { ids: checked, maxId } = checkIds(name, ids);
  return { tokens: tensor(checked, { device }), maxId };
}

/** Token ids as i32, checked, and the largest of them. */
export function checkIds(name: string, ids: TokenIds): { ids: Int32Array; maxId: number } {
  const out = Int32Array.from(ids);
  let maxId = -1;
  for (let i = 0; i < out.length; i++) {
    if (out[i] !== ids[i] || out[i] < 0) {
      throw new OptionError(
        `${name}: token ids must be integers ≥ 0, got ${ids[i]} at ${i}. Encode the text first.`,
      );
    }
    if (out[i] > maxId) maxId = out[i]!;
  }
  return { ids: out, maxId };
}
