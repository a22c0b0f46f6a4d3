import { add, expandDims, matmul, mul, scan, sigmoid, splitSizes, tanh, transpose, where } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerNorm, linear } from '@seq/nn';
import type { LayerNormParams } from '@seq/nn';
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

/** The layer as a scan over its cell, with norms, peepholes or both; sizes are checked, T > 0. */
export function scannedSequence(
  x: Tensor,
  weights: LstmWeights,
  initial: LstmState,
  { valid, resets }: Masks,
  reverse: boolean,
): [y: Tensor, state: LstmState] {
  const { weightIh, weightHh, weightHr, norms, peepholes } = weights;
  const H = initial.c.shape[1];
  const { bias } = joinedBias(weights);
  const normed = (t: Tensor, norm: LayerNormParams | undefined): Tensor => (norm ? layerNorm(t, norm) : t);
  const products = normed(linear(x, { weight: weightIh }), norms?.input);
  const recurrent = transpose(weightHh);
  const projection = weightHr && transpose(weightHr);
  const [pi, pf, po] = peepholes ? splitSizes(peepholes, [H, H, H], 0) : [];
  const seen = (a: Tensor, p: Tensor | undefined, c: Tensor): Tensor => (p ? add(a, mul(p, c)) : a);
  const [state, y] = scan(
    (carry: LstmState, now: MasksNow & { xg: Tensor }) => {
      const h = clearWhere(carry.h, now.resets);
      const c = clearWhere(carry.c, now.resets);
      const a = add(now.xg, normed(matmul(h, recurrent), norms?.recurrent));
      const [i, f, g, o] = splitSizes(a, [H, H, H, H], 1);
      const kept = mul(sigmoid(seen(f, pf, c)), c);
      const nextC = add(kept, mul(sigmoid(seen(i, pi, c)), tanh(g)));
      const m = mul(sigmoid(seen(o, po, nextC)), tanh(normed(nextC, norms?.cell)));
      const nextH = projection ? matmul(m, projection) : m;
      const keep = now.valid && expandDims(now.valid, 1);
      const next = keep ? { h: where(keep, nextH, h), c: where(keep, nextC, c) } : { h: nextH, c: nextC };
      return [next, next.h];
    },
    { h: initial.h, c: initial.c },
    { xg: bias ? add(products, bias) : products, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse },
  );
  return [hidePadding(y, valid), state];
}
