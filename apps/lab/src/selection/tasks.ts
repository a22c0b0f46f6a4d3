import { tensor, uniform } from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';

/** Sequences of a task, and what is asked after them. */
export interface Batch {
  /** [B, T] i32 */
  readonly tokens: Tensor;
  /** [B, T] i32: the answer at the positions that are asked, `unasked` elsewhere */
  readonly targets: Tensor;
}

/** A task that asks what must be kept of a sequence. */
export interface Task {
  readonly name: 'copying' | 'induction';
  readonly title: string;
  /** Share of right answers of a guess. */
  readonly chance: number;
  /** B sequences whose main part has T tokens. */
  draw(key: Key, B: number, T: number): Promise<Batch>;
}

/** Tokens of both tasks. */
export const vocabSize = 16;
/** Target of a position that asks nothing. */
export const unasked = -100;
/** Tokens to copy. */
export const copied = 4;

/**
 * Selective copying: `copied` tokens at random places among T, all others noise; then as many marks, at which the tokens
 * are to be said in their order. Token 0 is noise, 1 the mark. Distances differ from sequence to sequence, so no fixed
 * filter finds the tokens.
 *
 * @see Gu and Dao 2023, arXiv:2312.00752, section 4.1.1
 */
export const selectiveCopying: Task = {
  name: 'copying',
  title: 'Selective copying',
  chance: 1 / (vocabSize - 2),
  async draw(key, B, T) {
    const numbers = await drawn(key, B * (T + copied));
    return fill(B, T + copied, (b, tokens, targets) => {
      const own = numbers.subarray(b * (T + copied), (b + 1) * (T + copied));
      const places = [...own.subarray(0, T).keys()].sort((i, j) => own[i] - own[j]).slice(0, copied);
      places
        .sort((i, j) => i - j)
        .forEach((place, i) => {
          const token = 2 + Math.floor(own[T + i] * (vocabSize - 2));
          tokens[place] = token;
          tokens[T + i] = 1;
          targets[T + i] = token;
        });
    });
  },
};

/**
 * Induction heads: T random tokens, among them once a mark; the mark ends the sequence, and what stood behind it the
 * first time is to be said. Token 0 is the mark.
 *
 * @see Gu and Dao 2023, arXiv:2312.00752, section 4.1.2
 */
export const inductionHeads: Task = {
  name: 'induction',
  title: 'Induction heads',
  chance: 1 / (vocabSize - 1),
  async draw(key, B, T) {
    const numbers = await drawn(key, B * T);
    return fill(B, T, (b, tokens, targets) => {
      const own = numbers.subarray(b * T, (b + 1) * T);
      for (let t = 0; t < T - 1; t++) tokens[t] = 1 + Math.floor(own[t] * (vocabSize - 1));
      const place = Math.floor(own[T - 1] * (T - 2));
      tokens[place] = 0;
      targets[T - 1] = tokens[place + 1];
    });
  },
};

async function drawn(key: Key, n: number): Promise<Float32Array> {
  using numbers = uniform(key, [n]);
  return (await numbers.data()) as Float32Array;
}

function fill(
  B: number,
  T: number,
  row: (b: number, tokens: Int32Array, targets: Int32Array) => void,
): Batch {
  const [tokens, targets] = [new Int32Array(B * T), new Int32Array(B * T).fill(unasked)];
  for (let b = 0; b < B; b++)
    row(b, tokens.subarray(b * T, (b + 1) * T), targets.subarray(b * T, (b + 1) * T));
  return { tokens: tensor(tokens, { shape: [B, T] }), targets: tensor(targets, { shape: [B, T] }) };
}

/** Both tasks. */
export const tasks: readonly Task[] = [selectiveCopying, inductionHeads];
