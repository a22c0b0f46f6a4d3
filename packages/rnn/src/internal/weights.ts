import { add, ShapeError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expectShape } from './sequence.js';

/** Weights of a layer whose state is one vector of H units, with G gates in blocks of H rows. */
export interface HiddenWeights {
  /** [G·H, I] */
  readonly weightIh: Tensor;
  /** [G·H, H] */
  readonly weightHh: Tensor;
  /** [G·H] */
  readonly biasIh?: Tensor;
  /** [G·H] */
  readonly biasHh?: Tensor;
}

/**
 * Sizes of a layer from its inputs and weights, once they fit together.
 *
 * @throws ShapeError  x not [B, T, I]; a weight that does not fit H, the columns of weightHh, and I, those of x
 */
export function sequenceSizes(
  fn: string,
  x: Tensor,
  weights: HiddenWeights,
  gates: number,
): [B: number, T: number, H: number] {
  if (x.shape.length !== 3)
    throw new ShapeError(`${fn}: x must be [B, T, I], got ${show(x.shape)}. Add the missing axes.`);
  const [B, T, I] = x.shape;
  const H = weights.weightHh.shape.at(-1) ?? 0;
  const rows = gates === 1 ? 'H' : `${gates}H`;
  const from = `I = ${I} comes from x, H = ${H} from the columns of weightHh.`;
  expectShape(fn, 'weightHh', weights.weightHh, `[${rows}, H]`, [gates * H, H], from);
  expectShape(fn, 'weightIh', weights.weightIh, `[${rows}, I]`, [gates * H, I], from);
  expectShape(fn, 'biasIh', weights.biasIh, `[${rows}]`, [gates * H], from);
  expectShape(fn, 'biasHh', weights.biasHh, `[${rows}]`, [gates * H], from);
  return [B, T, H];
}

/** The two biases as one, for a cell in which they only ever stand side by side; nothing if there are none. */
export function joinedBias({ biasIh, biasHh }: Pick<HiddenWeights, 'biasIh' | 'biasHh'>): { bias?: Tensor } {
  const bias = biasIh && biasHh ? add(biasIh, biasHh) : (biasIh ?? biasHh);
  return bias ? { bias } : {};
}
