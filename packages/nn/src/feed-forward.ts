import { scope, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { activate } from './activation.js';
import type { Activation } from './activation.js';
import type { Initializer } from './init.js';
import { linear, linearInit } from './linear.js';
import type { LinearParams } from './linear.js';

/** Parameters of `feedForward`: C → F → C. */
export type FeedForwardParams = {
  /** weight [F, C], bias [F] */
  up: LinearParams;
  /** weight [C, F], bias [C] */
  down: LinearParams;
};

/** Parameters of `gatedFeedForward`: two maps C → F, one F → C. */
export type GatedFeedForwardParams = {
  /** weight [F, C] */
  gate: LinearParams;
  /** weight [F, C] */
  up: LinearParams;
  /** weight [C, F] */
  down: LinearParams;
};

/** Options of the initialisers of both. */
export interface FeedForwardInitOptions extends TensorOptions {
  /** F */
  readonly hidden?: number;
  readonly bias?: boolean;
  readonly init?: Initializer;
  readonly biasInit?: Initializer;
}

/**
 * Position-wise feed-forward layer.
 *
 *   y = W₂ f(W₁ x + b₁) + b₂
 *
 * @param x       [..., C]
 * @param params  up C → F, down F → C
 * @returns       [..., C]
 * @throws ShapeError  widths that do not fit; OptionError  an unknown activation
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. 2
 */
export function feedForward(
  x: Tensor,
  params: FeedForwardParams,
  { activation = 'gelu' }: { readonly activation?: Activation } = {},
): Tensor {
  return scope(() => linear(activate(linear(x, params.up), activation), params.down));
}

/** Parameters of `feedForward` for width C; `hidden` 4C, biases on. */
export function feedForwardInit(
  key: Key,
  C: number,
  { hidden = 4 * C, ...o }: FeedForwardInitOptions = {},
): FeedForwardParams {
  return scope(() => {
    const [first, second] = split(key);
    return { up: linearInit(first, C, hidden, o), down: linearInit(second, hidden, C, o) };
  });
}

/**
 * Gated feed-forward layer (SwiGLU with the default activation).
 *
 *   y = W₂ (f(W_g x) ∘ W₁ x)
 *
 * @param x       [..., C]
 * @param params  gate and up C → F, down F → C
 * @returns       [..., C]
 * @throws ShapeError  widths that do not fit; OptionError  an unknown activation
 * @see Shazeer 2020, arXiv:2002.05202, eq. 6
 */
export function gatedFeedForward(
  x: Tensor,
  params: GatedFeedForwardParams,
  { activation = 'silu' }: { readonly activation?: Activation } = {},
): Tensor {
  return scope(() =>
    linear(activate(linear(x, params.gate), activation).mul(linear(x, params.up)), params.down),
  );
}

/** `hidden` of a gated layer with as many weights as an ungated one of 4C: 8C/3, rounded up to a multiple of 64. */
export function gatedHidden(C: number): number {
  return 64 * Math.ceil((8 * C) / 3 / 64);
}

/** Parameters of `gatedFeedForward` for width C; `hidden` is `gatedHidden(C)`, biases off. */
export function gatedFeedForwardInit(
  key: Key,
  C: number,
  { hidden = gatedHidden(C), bias = false, ...o }: FeedForwardInitOptions = {},
): GatedFeedForwardParams {
  return scope(() => {
    const [first, second, third] = split(key, 3);
    return {
      gate: linearInit(first, C, hidden, { bias, ...o }),
      up: linearInit(second, C, hidden, { bias, ...o }),
      down: linearInit(third, hidden, C, { bias, ...o }),
    };
  });
}
