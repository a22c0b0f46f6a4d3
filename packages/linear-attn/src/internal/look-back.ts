import {
  arange,
  cast,
  clip,
  concat,
  conv1d,
  cumsum,
  eq,
  expandDims,
  lt,
  mul,
  sliceAt,
  transpose,
  where,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { RunOptions } from '@seq/nn';

/** Inputs as far back as a short filter sees, in the presence of padding and packed documents. */
export interface LookBack {
  /** [B, T, C] the inputs of j positions ago; 0 where those belong to another document */
  ago(j: number): Tensor;
  /** [B, T, C] from taps [C, W], the last of which multiplies the newest input */
  filter(taps: Tensor): Tensor;
  /** [B, span, C] the last inputs that count, oldest first */
  readonly next: Tensor;
}

/**
 * @param x        [B, T, C]
 * @param past     [B, span, C]  inputs before x, oldest first
 * @param options  lengths [B], resets [B, T] as in `RunOptions`
 */
export function lookBack(
  x: Tensor,
  past: Tensor,
  { lengths, resets }: Pick<RunOptions, 'lengths' | 'resets'>,
): LookBack {
  const [T, span] = [x.shape[1], past.shape[1]];
  const all = concat([past, x], 1); // [B, span + T, C]
  const documents = resets && cumsum(cast(resets, 'f32'), 1).pad(1, span, 0); // the past is document 0
  const ago = (j: number): Tensor => {
    const inputs = all.slice(1, span - j, span - j + T);
    if (!documents || j === 0) return inputs;
    const same = eq(documents.slice(1, span - j, span - j + T), documents.slice(1, span, span + T));
    return where(expandDims(same, -1), inputs, 0);
  };
  return {
    ago,
    filter(taps) {
      const [C, W] = taps.shape;
      if (!documents) return conv1d(all, expandDims(transpose(taps), 1), { groups: C, padding: 'valid' });
      const parts = Array.from({ length: W }, (_, j) => mul(ago(j), taps.at(W - 1 - j, 1)));
      return parts.reduce((sum, part) => sum.add(part));
    },
    next: lastInputs(all, documents, { span, T, ...(lengths && { lengths }) }),
  };
}

function lastInputs(
  all: Tensor,
  documents: Tensor | undefined,
  { span, T, lengths }: { span: number; T: number; lengths?: Tensor },
): Tensor {
  const count = lengths && clip(lengths, 0, T);
  const tail = (t: Tensor): Tensor => (count ? sliceAt(t, count, span, 1) : t.slice(1, T, T + span));
  const inputs = tail(all);
  if (!documents) return inputs.contiguous();
  let reached = documents; // documents that began within the length
  if (count) {
    const index = arange(0, span + T, 1, { dtype: 'i32', device: all.device }).reshape([1, span + T]);
    reached = where(lt(index, expandDims(count.add(span), 1)), documents, 0);
  }
  const current = reached.max(1, { keepDims: true }); // [B, 1]
  return where(expandDims(eq(tail(documents), current), -1), inputs, 0);
}
