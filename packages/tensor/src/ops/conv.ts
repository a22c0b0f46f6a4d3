import type { Tensor } from '../tensor.js';
import type { ConvShape } from '../cpu/conv.js';
import { convForward, convInputGrad, convWeightGrad, weightGradScratch } from '../cpu/conv.js';
import { apply1 } from '../engine/apply.js';
import { DTypeError, OptionError, ShapeError, show } from '../engine/errors.js';
import type { Op } from '../engine/op.js';
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

/** The three tensors of a convolution: it is linear in each, so what makes one of them needs the other two. */
type Part = 'x' | 'w' | 'y';

/** What each is made of. */
const sources: Readonly<Record<Part, readonly [Part, Part]>> = {
  x: ['y', 'w'],
  w: ['x', 'y'],
  y: ['x', 'w'],
};

const shapes: Readonly<Record<Part, (B: number, a: ConvAttrs) => number[]>> = {
  x: (B, a) => [B, a.inLength, a.inChannels],
  w: (_, a) => [a.width, a.inChannels / a.groups, a.outChannels],
  y: (B, a) => [B, a.outLength, a.outChannels],
};

/** The op that makes a part: its gradients are the ops that make the other two. */
function defineConv(
  name: string,
  part: Part,
  kernel: typeof convWeightGrad,
  scratch: (s: ConvShape) => number = () => 0,
): Op<ConvAttrs> {
  const from = sources[part];
  return defineOp<ConvAttrs>({
    name,
    infer(inputs, a) {
      const B = inputs[0].shape[0];
      for (const [i, { shape }] of inputs.entries()) {
        const want = shapes[from[i]](B, a);
        if (shape.length !== 3 || shape.some((d, axis) => d !== want[axis]))
          throw new ShapeError(`${name}: ${from[i]} must be ${show(want)}, got ${show(shape)}.`);
      }
      return { shape: shapes[part](B, a), dtype: inputs[0].dtype };
    },
    scratch: ([first], a) => scratch({ batch: first.shape[0], ...a }),
    cpu({ inputs: [first, second], outputs: [out], attrs, scratch: at }) {
      kernel({ batch: first.shape[0], ...attrs }, first, second, out, at);
    },
    vjp({ inputs, cotangents: [g], attrs, needs }) {
      const known = { [part]: g!, [from[0]]: inputs[0], [from[1]]: inputs[1] } as Record<Part, Tensor>;
      return from.map((to, i) => {
        const [first, second] = sources[to];
        return needs[i] ? apply1(opOf(to), [known[first], known[second]], attrs) : null;
      });
    },
    cost([first], _, a) {
      const flops = 2 * first.shape[0] * a.outLength * a.outChannels * a.width * (a.inChannels / a.groups);
      return { flops, matmulFlops: flops };
    },
  });
}

const opOf = (part: Part): Op<ConvAttrs> =>
  ({ x: conv1dInputGradOp, w: conv1dWeightGradOp, y: conv1dOp })[part];

/** y from x and w. */
export const conv1dOp: Op<ConvAttrs> = /* @__PURE__ */ defineConv('conv1d', 'y', convForward);

/** dx from dy and w. */
export const conv1dInputGradOp: Op<ConvAttrs> = /* @__PURE__ */ defineConv(
  'conv1dInputGrad',
  'x',
  convInputGrad,
);

/** dw from x and dy. */
export const conv1dWeightGradOp: Op<ConvAttrs> = /* @__PURE__ */ defineConv(
  'conv1dWeightGrad',
  'w',
  convWeightGrad,
  weightGradScratch,
);

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
