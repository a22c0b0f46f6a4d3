import { DTypeError, IndexError, ShapeError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** Tokens must be i32 of rank 1 (a step) or 2 with at least `shortest` positions. */
export function checkTokens(name: string, tokens: Tensor, rank: 1 | 2, shortest: number): void {
  const shape = rank === 1 ? '[B]' : '[B, T]';
  if (tokens.ndim !== rank) {
    const hint =
      rank === 1
        ? 'A step takes one token per row without a time axis; for several use prefill.'
        : 'Reshape one sequence to [1, T].';
    throw new ShapeError(`${name}: tokens must be ${shape}, got ${show(tokens.shape)}. ${hint}`);
  }
  if (tokens.dtype !== 'i32') {
    throw new DTypeError(
      `${name}: tokens must be i32, got ${tokens.dtype}. Make them with tensor(Int32Array.from(ids), …) or cast(ids, 'i32').`,
    );
  }
  if (rank === 2 && tokens.shape[1] < shortest) {
    throw new ShapeError(
      `${name}: tokens must have at least ${shortest} positions, got ${show(tokens.shape)}. Pass a longer sequence.`,
    );
  }
}

/** Ids of a prompt, checked. */
export function checkIds(name: string, ids: ArrayLike<number>, vocabSize: number): Int32Array<ArrayBuffer> {
  const out = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new IndexError(
        `${name}: ids must be integers in [0, ${vocabSize}), got ${id} at ${i}. Encode the text with the model's own vocabulary.`,
      );
    }
    out[i] = id;
  }
  return out;
}
