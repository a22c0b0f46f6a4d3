import type { Tensor } from '../tensor.js';
import type { ConvShape } from '../cpu/conv.js';
import {
  convForward,
  convInputGrad,
  convWeightGrad,
  forwardScratch,
  inputGradScratch,
  weightGradScratch,
} from '../cpu/conv.js';
import { apply1 } from '../engine/apply.js';
import type { Aval } from '../engine/dtype.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import type { Op, OpCost } from '../engine/op.js';
import { defineOp } from '../engine/op.js';

/** Everything about a convolution but the batch: fixed by the shapes of x and w and the options. */
export interface ConvAttrs {
  readonly inLength: number;
  readonly outLength: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly stride: number;
  readonly dilation: number;
  readonly left: number;
}

const shapeOf = (batch: number, attrs: ConvAttrs): ConvShape => ({ batch, ...attrs });

function cost(batch: number, a: ConvAttrs): OpCost {
  const flops = 2 * batch * a.outLength * a.outChannels * a.width * (a.inChannels / a.groups);
  return { flops, matmulFlops: flops };
}

const xShape = (B: number, a: ConvAttrs): number[] => [B, a.inLength, a.inChannels];
const yShape = (B: number, a: ConvAttrs): number[] => [B, a.outLength, a.outChannels];
const wShape = (a: ConvAttrs): number[] => [a.width, a.inChannels / a.groups, a.outChannels];

function expect(name: string, what: string, got: Aval, want: readonly number[]): void {
  if (got.shape.length !== want.length || got.shape.some((d, i) => d !== want[i])) {
    throw new ShapeError(`${name}: ${what} must be ${show(want)}, got ${show(got.shape)}.`);
  }
}

/** y from x and w. */
export const conv1dOp: Op<ConvAttrs> = /* @__PURE__ */ defineOp<ConvAttrs>({
  name: 'conv1d',
  infer([x, w], a) {
    const B = x.shape[0];
    expect('conv1d', 'x', x, xShape(B, a));
    expect('conv1d', 'w', w, wShape(a));
    return { shape: yShape(B, a), dtype: x.dtype };
  },
  scratch: ([x], a) => forwardScratch(shapeOf(x.shape[0], a)),
  cpu({ inputs: [x, w], outputs: [y], attrs, scratch }) {
    convForward(shapeOf(x.shape[0], attrs), x, w, y, scratch);
  },
  vjp: ({ inputs: [x, w], cotangents: [g], attrs, needs }) => [
    needs[0] ? apply1(conv1dInputGradOp, [g!, w], attrs) : null,
    needs[1] ? apply1(conv1dWeightGradOp, [x, g!], attrs) : null,
  ],
  cost: ([x], _, a) => cost(x.shape[0], a),
});

/** dx from dy and w. Linear in both, so its own gradients are the other two ops. */
export const conv1dInputGradOp: Op<ConvAttrs> = /* @__PURE__ */ defineOp<ConvAttrs>({
  name: 'conv1dInputGrad',
  infer([dy, w], a) {
    const B = dy.shape[0];
    expect('conv1dInputGrad', 'dy', dy, yShape(B, a));
    expect('conv1dInputGrad', 'w', w, wShape(a));
    return { shape: xShape(B, a), dtype: dy.dtype };
  },
  scratch: ([dy], a) => inputGradScratch(shapeOf(dy.shape[0], a)),
  cpu({ inputs: [dy, w], outputs: [dx], attrs, scratch }) {
    convInputGrad(shapeOf(dy.shape[0], attrs), dy, w, dx, scratch);
  },
  vjp: ({ inputs: [dy, w], cotangents: [g], attrs, needs }) => [
    needs[0] ? apply1(conv1dOp, [g!, w], attrs) : null,
    needs[1] ? apply1(conv1dWeightGradOp, [g!, dy], attrs) : null,
  ],
  cost: ([dy], _, a) => cost(dy.shape[0], a),
});

/** dw from x and dy. */
export const conv1dWeightGradOp: Op<ConvAttrs> = /* @__PURE__ */ defineOp<ConvAttrs>({
  name: 'conv1dWeightGrad',
  infer([x, dy], a) {
    const B = x.shape[0];
    expect('conv1dWeightGrad', 'x', x, xShape(B, a));
    expect('conv1dWeightGrad', 'dy', dy, yShape(B, a));
    return { shape: wShape(a), dtype: x.dtype };
  },
  scratch: ([x], a) => weightGradScratch(shapeOf(x.shape[0], a)),
  cpu({ inputs: [x, dy], outputs: [dw], attrs, scratch }) {
    convWeightGrad(shapeOf(x.shape[0], attrs), x, dy, dw, scratch);
  },
  vjp: ({ inputs: [x, dy], cotangents: [g], attrs, needs }) => [
    needs[0] ? apply1(conv1dInputGradOp, [dy, g!], attrs) : null,
    needs[1] ? apply1(conv1dOp, [x, g!], attrs) : null,
  ],
  cost: ([x], _, a) => cost(x.shape[0], a),
});

/** Options of `conv1d`. */
export interface Conv1dOptions {
  /** Positions from one output to the next. Default 1. */
  stride?: number;
  /** Positions from one tap to the next. Default 1. */
  dilation?: number;
  /** Channels fall into this many parts that do not mix; Cin for a depthwise convolution. Default 1. */
  groups?: number;
  /**
   * Zeros around x: `causal` D(W−1) before, so that y_t sees x_≤t; `same` D(W−1) in all, the smaller half
   * before; `valid` none; or [before, after]. Default `causal`.
   */
  padding?: 'causal' | 'same' | 'valid' | readonly [before: number, after: number];
}

function positive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new OptionError(`conv1d: ${name} must be an integer ≥ 1, got ${value}.`);
  }
}

function paddingOf(padding: Conv1dOptions['padding'], reach: number): readonly [number, number] {
  if (padding === 'causal') return [reach, 0];
  if (padding === 'same') return [Math.floor(reach / 2), reach - Math.floor(reach / 2)];
  if (padding === 'valid') return [0, 0];
  if (Array.isArray(padding) && padding.length === 2 && padding.every((p) => Number.isInteger(p) && p >= 0)) {
    return padding as readonly [number, number];
  }
  throw new OptionError(
    `conv1d: padding must be 'causal', 'same', 'valid' or two integers ≥ 0, got ${JSON.stringify(padding)}.`,
  );
}

/**
 * Convolution over time (cross-correlation, as neural networks have it).
 *
 * y[b, t, o] = Σ_{j < W} Σ_c x[b, S t + D j − before, c] w[j, c, o], with S the stride, D the dilation and
 * x = 0 outside [0, T). With causal padding w[W−1] multiplies the newest input.
 *
 * @param x  [B, T, Cin]          f32 or f64, any T ≥ 0
 * @param w  [W, Cin/groups, Cout] group g reads channels [g Cin/groups, …) and writes [g Cout/groups, …)
 * @returns  [B, T', Cout]        T' = ⌊(T + before + after − D(W−1) − 1) / S⌋ + 1, at least 0
 * @throws ShapeError, DTypeError, OptionError
 */
export function conv1d(
  x: Tensor,
  w: Tensor,
  { stride = 1, dilation = 1, groups = 1, padding = 'causal' }: Conv1dOptions = {},
): Tensor {
  positive('stride', stride);
  positive('dilation', dilation);
  positive('groups', groups);
  if (x.dtype !== w.dtype || (x.dtype !== 'f32' && x.dtype !== 'f64')) {
    throw new DTypeError(
      `conv1d: x and w must be both f32 or both f64, got ${x.dtype} and ${w.dtype}. Use cast().`,
    );
  }
  if (x.shape.length !== 3 || w.shape.length !== 3 || w.shape[0] < 1) {
    throw new ShapeError(
      `conv1d: x must be [B, T, Cin] and w [W, Cin/groups, Cout] with W ≥ 1, got ${show(x.shape)} and ${show(w.shape)}.`,
    );
  }
  const [, inLength, inChannels] = x.shape;
  const [width, perGroup, outChannels] = w.shape;
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new ShapeError(
      `conv1d: groups must divide Cin and Cout, got groups ${groups}, Cin ${inChannels}, Cout ${outChannels}.`,
    );
  }
  if (perGroup !== inChannels / groups) {
    throw new ShapeError(
      `conv1d: w must have Cin/groups = ${inChannels / groups} input channels, got ${show(w.shape)} for x ${show(x.shape)}.`,
    );
  }
  const reach = dilation * (width - 1);
  const [left, right] = paddingOf(padding, reach);
  const outLength = Math.max(0, Math.floor((inLength + left + right - reach - 1) / stride) + 1);
  const attrs = { inLength, outLength, width, inChannels, outChannels, groups, stride, dilation, left };
  return apply1(conv1dOp, [x, w], attrs);
}
