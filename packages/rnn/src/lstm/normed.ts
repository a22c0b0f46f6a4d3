import { add, expandDims, matmul, mul, scan, sigmoid, splitSizes, tanh, transpose, where } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerNorm, linear } from '@seq/nn';
import { clearWhere, hidePadding } from '../internal/sequence.js';
import type { Masks, MasksNow } from '../internal/sequence.js';
import { joinedBias } from '../internal/weights.js';
import type { LstmState, LstmWeights } from './op.js';

/** Scale and shift of one normalisation. */
export interface LstmNorm {
  /** [n] */
  readonly weight: Tensor;
  /** [n] */
  readonly bias: Tensor;
}

/** The three normalisations of a layer-normalised LSTM. */
export interface LstmNorms {
  /** Of W_ih x, over all gates: [4H] */
  readonly input: LstmNorm;
  /** Of W_hh h, over all gates: [4H] */
  readonly recurrent: LstmNorm;
  /** Of the cell that is shown: [H] */
  readonly cell: LstmNorm;
}

/** The layer with norms as a scan over its cell; sizes are checked, T > 0. */
export function normedSequence(
  x: Tensor,
  weights: LstmWeights,
  norms: LstmNorms,
  initial: LstmState,
  { valid, resets }: Masks,
  reverse: boolean,
): [y: Tensor, state: LstmState] {
  const { weightIh, weightHh, weightHr } = weights;
  const H = initial.c.shape[1];
  const { bias } = joinedBias(weights);
  const normed = layerNorm(linear(x, { weight: weightIh }), norms.input);
  const recurrent = transpose(weightHh);
  const projection = weightHr && transpose(weightHr);
  const [state, y] = scan(
    (carry: LstmState, now: MasksNow & { xg: Tensor }) => {
      const h = clearWhere(carry.h, now.resets);
      const c = clearWhere(carry.c, now.resets);
      const a = add(now.xg, layerNorm(matmul(h, recurrent), norms.recurrent));
      const [i, f, g, o] = splitSizes(a, [H, H, H, H], 1);
      const nextC = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)));
      const m = mul(sigmoid(o), tanh(layerNorm(nextC, norms.cell)));
      const nextH = projection ? matmul(m, projection) : m;
      const keep = now.valid && expandDims(now.valid, 1);
      const next = keep ? { h: where(keep, nextH, h), c: where(keep, nextC, c) } : { h: nextH, c: nextC };
      return [next, next.h];
    },
    { h: initial.h, c: initial.c },
    { xg: bias ? add(normed, bias) : normed, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse },
  );
  return [hidePadding(y, valid), state];
}
