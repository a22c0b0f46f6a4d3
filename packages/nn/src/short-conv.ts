import {
  cast,
  concat,
  conv1d,
  cumsum,
  eq,
  expandDims,
  OptionError,
  scope,
  ShapeError,
  show,
  silu,
  split,
  where,
  zeros,
} from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { uniformFan } from './init.js';
import type { Initializer } from './init.js';

/** Parameters of a depthwise causal convolution; index W − 1 multiplies the newest input, as in PyTorch. */
export type ShortConvParams = {
  /** [C, W] */
  weight: Tensor;
  /** [C] */
  bias?: Tensor;
};

/** Options of `shortConv` and `shortConvStep`. */
export interface ShortConvOptions {
  readonly activation?: 'silu';
}

/**
 * Depthwise causal convolution, the short filter in front of many recurrent mechanisms.
 *
 *   y_t = f(b + Σ_{j=0}^{W−1} w_{W−1−j} ∘ x_{t−j})
 *
 * The state holds the last W − 1 inputs, oldest first; inputs before the beginning are 0. Any T ≥ 0 is
 * legal, also T < W − 1, where the new state keeps part of the old one.
 * Cost: 2 B T C W matmul flops, B T C more for each of bias and activation.
 *
 * @param x       [B, T, C]
 * @param params  weight [C, W], bias [C] if any
 * @param state   [B, C, W − 1], zeros if absent
 * @param resets  [B, T] bool, true where a document begins: inputs before it are 0 from there on; none if absent
 * @returns       y [B, T, C] and the state after the last position [B, C, W − 1]
 * @throws ShapeError  x, weight, bias, state or resets that do not fit; OptionError  an unknown activation
 */
export function shortConv(
  x: Tensor,
  params: ShortConvParams,
  {
    state,
    resets,
    ...o
  }: ShortConvOptions & { readonly state?: Tensor | undefined; readonly resets?: Tensor | undefined } = {},
): [y: Tensor, state: Tensor] {
  if (x.ndim !== 3) throw new ShapeError(`shortConv: x must be [B, T, C], got ${show(x.shape)}.`);
  const [B, T, C] = x.shape;
  const W = checkParams('shortConv', params, C, o);
  if (state) checkConvState('shortConv', state, B, C, W);
  if (resets && show(resets.shape) !== show([B, T]))
    throw new ShapeError(`shortConv: resets must be [B, T] = ${show([B, T])}, got ${show(resets.shape)}.`);
  return scope(() => {
    const past = state ?? zeros([B, C, W - 1], { device: x.device, dtype: x.dtype });
    if (resets && W > 1) return apart(concat([past.transpose(), x], 1), resets, params, o);
    const window = state ? concat([past.transpose(), x], 1) : x; // [B, W-1+T, C]
    const y = filter(window, params, state ? 'valid' : 'causal', o);
    const kept = Math.min(T, W - 1);
    const recent = x.slice(1, T - kept, T).transpose(); // [B, C, kept]
    const next = kept === W - 1 ? recent.contiguous() : concat([past.slice(2, kept, W - 1), recent], 2);
    return [y, next];
  });
}

/**
 * One position of `shortConv`.
 *
 * @param x       [B, C]
 * @param params  weight [C, W], bias [C] if any
 * @param state   [B, C, W − 1]
 * @returns       y [B, C] and the next state [B, C, W − 1]
 * @throws ShapeError  x, weight, bias or state that do not fit; OptionError  an unknown activation
 */
export function shortConvStep(
  x: Tensor,
  params: ShortConvParams,
  state: Tensor,
  o: ShortConvOptions = {},
): [y: Tensor, state: Tensor] {
  if (x.ndim !== 2) throw new ShapeError(`shortConvStep: x must be [B, C], got ${show(x.shape)}.`);
  const [B, C] = x.shape;
  const W = checkParams('shortConvStep', params, C, o);
  checkConvState('shortConvStep', state, B, C, W);
  return scope(() => {
    const window = concat([state, x.expandDims(2)], 2); // [B, C, W]
    const y = filter(window.transpose(), params, 'valid', o).reshape([B, C]);
    return [y, window.slice(2, 1, W).contiguous()];
  });
}

/** The state of `shortConv` before the first input: zeros [B, C, W − 1]. */
export function shortConvState(B: number, C: number, W: number, o: TensorOptions = {}): Tensor {
  return zeros([B, C, W - 1], o);
}

/** Parameters for width C and filter length W, `U(±1/√W)` as PyTorch's depthwise Conv1d. */
export function shortConvInit(
  key: Key,
  C: number,
  W: number,
  {
    bias = true,
    init = uniformFan,
    ...o
  }: TensorOptions & { readonly bias?: boolean; readonly init?: Initializer } = {},
): ShortConvParams {
  if (!Number.isInteger(W) || W < 1) {
    throw new OptionError(`shortConvInit: W must be a positive integer, got ${W}.`);
  }
  return scope(() => {
    const [first, second] = split(key);
    const weight = init(first, [C, W], o);
    return bias ? { weight, bias: uniformFan(second, [C], { ...o, fanIn: W }) } : { weight };
  });
}

/** [B, T', C] → [B, T, C] */
function filter(
  window: Tensor,
  params: ShortConvParams,
  padding: 'valid' | 'causal',
  o: ShortConvOptions,
): Tensor {
  const C = params.weight.shape[0];
  const w = params.weight.transpose().expandDims(1); // [W, 1, C]
  let y = conv1d(window, w, { groups: C, padding });
  if (params.bias) y = y.add(params.bias);
  return o.activation === 'silu' ? silu(y) : y;
}

/** Output and state where no document sees the one before it, tap by tap; the past belongs to none of the new ones. */
function apart(
  window: Tensor,
  resets: Tensor,
  params: ShortConvParams,
  o: ShortConvOptions,
): [y: Tensor, state: Tensor] {
  const [, W] = params.weight.shape;
  const T = resets.shape[1];
  const document = cumsum(cast(resets, 'f32'), 1).pad(1, W - 1, 0); // [B, W-1+T]
  /** Inputs from position `from` on [B, n, C], 0 where they are of another document than `of` [B, n or 1]. */
  const seen = (from: number, n: number, of: Tensor): Tensor => {
    const same = expandDims(eq(document.slice(1, from, from + n), of), 2);
    return where(same, window.slice(1, from, from + n), 0);
  };
  const here = document.slice(1, W - 1);
  const taps = Array.from({ length: W }, (_, k) => seen(k, T, here).mul(params.weight.at(k, 1)));
  let y = taps.reduce((sum, tap) => sum.add(tap));
  if (params.bias) y = y.add(params.bias);
  const last = seen(T, W - 1, document.slice(1, W - 2 + T)).transpose();
  return [o.activation === 'silu' ? silu(y) : y, last.contiguous()];
}

function checkParams(
  where: string,
  { weight, bias }: ShortConvParams,
  C: number,
  o: ShortConvOptions,
): number {
  if (weight.ndim !== 2 || weight.shape[0] !== C || weight.shape[1] < 1) {
    throw new ShapeError(`${where}: weight must be [C, W] with C = ${C} as in x, got ${show(weight.shape)}.`);
  }
  if (bias && (bias.ndim !== 1 || bias.shape[0] !== C)) {
    throw new ShapeError(`${where}: bias must be [C] = [${C}], got ${show(bias.shape)}.`);
  }
  if (o.activation !== undefined && o.activation !== 'silu') {
    throw new OptionError(`${where}: activation must be 'silu' or absent, got '${String(o.activation)}'.`);
  }
  return weight.shape[1];
}

function checkConvState(where: string, state: Tensor, B: number, C: number, W: number): void {
  const [b, c, w] = state.shape;
  if (state.ndim !== 3 || b !== B || c !== C || w !== W - 1) {
    throw new ShapeError(
      `${where}: state must be [B, C, W − 1] = ${show([B, C, W - 1])}, got ${show(state.shape)}. Make it with shortConvState(${B}, ${C}, ${W}).`,
    );
  }
}
