import { scope, ShapeError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/**
 * Weights of a convolution by direction and length, so that a step of the optimiser may change one without the other.
 *
 *   w_o = g_o v_o / ‖v_o‖,   the norm over taps and input channels
 *
 * Cost: 3 flops per weight, and 2 for each of the O lengths.
 *
 * @param v     [W, I, O]  direction; zero for no o
 * @param gain  [O]        length
 * @returns     [W, I, O]
 * @throws ShapeError  a v that is not [W, I, O], a gain that is not [O]
 * @see Salimans and Kingma 2016, arXiv:1602.07868, eq. 2
 */
export function weightNorm(v: Tensor, gain: Tensor): Tensor {
  if (v.ndim !== 3) throw new ShapeError(`weightNorm: v must be [W, I, O], got ${show(v.shape)}.`);
  const O = v.shape[2];
  if (gain.ndim !== 1 || gain.shape[0] !== O) {
    throw new ShapeError(`weightNorm: gain must be [O] = [${O}], got ${show(gain.shape)}.`);
  }
  return scope(() => v.mul(gain.mul(v.square().sum([0, 1]).rsqrt())));
}
