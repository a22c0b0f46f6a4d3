import { OptionError } from '@seq/tensor';

/** Geometry of one convolution. */
export interface ConvLayer {
  /** W, taps */
  readonly convWidth: number;
  /** δ, distance between taps */
  readonly dilation?: number;
  /** positions per output */
  readonly stride?: number;
}

/**
 * How many inputs one output of a stack of convolutions sees.
 *
 *   r = 1 + Σ_l (W_l − 1) δ_l Π_{m<l} stride_m
 *
 * Undilated, T positions need ⌈(T − 1)/(W − 1)⌉ layers; with W = 2 and δ_l = 2^l, ⌈log₂ T⌉.
 *
 * @param layers  first layer first
 * @returns       positions, the present one included
 * @throws OptionError  a width, dilation or stride that is no positive integer
 * @see van den Oord et al. 2016, arXiv:1609.03499, section 2.1
 */
export function receptiveField(layers: readonly ConvLayer[]): number {
  let reach = 1;
  let step = 1;
  layers.forEach(({ convWidth, dilation = 1, stride = 1 }, l) => {
    for (const [name, n] of Object.entries({ convWidth, dilation, stride })) {
      if (!Number.isInteger(n) || n < 1) {
        throw new OptionError(`receptiveField: ${name} must be a positive integer, got ${n} in layer ${l}.`);
      }
    }
    reach += (convWidth - 1) * dilation * step;
    step *= stride;
  });
  return reach;
}
