import {
  add,
  apply,
  at,
  defineOp,
  expandDims,
  matmul,
  OptionError,
  relu,
  reshape,
  scan,
  scope,
  ShapeError,
  show,
  sigmoid,
  tanh,
  transpose,
  where,
  zeros,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { linear } from '@seq/nn';
import { lazyKernels } from '@seq/tensor/engine';
import {
  clearWhere,
  expectShape,
  hidePadding,
  loopCost,
  masksOf,
  matrixSize,
  oneFloatType,
  present,
} from '../internal/sequence.js';
import { previousStates } from '../internal/previous.js';
import type { MaskOptions, MasksNow } from '../internal/sequence.js';
import { joinedBias, sequenceSizes } from '../internal/weights.js';
import type { HiddenWeights } from '../internal/weights.js';
import { elmanBackwardOp } from './backward.js';
import { elmanForwardKernel, elmanScratch, forwardInputs } from './cpu.js';
import type { ElmanAttrs, ElmanNonlinearity } from './cpu.js';

const gpu = /* @__PURE__ */ lazyKernels('elman', () => import('./kernels.js'));

/** Weights of one Elman layer in one direction: weightIh [H, I], weightHh [H, H], biasIh and biasHh [H]. */
export type ElmanWeights = HiddenWeights;

/** Options of `elmanCell`. */
export interface ElmanCellOptions {
  /** f of the recurrence. Default 'tanh'. */
  readonly nonlinearity?: ElmanNonlinearity;
}

/** Options of `elmanSequence`. */
export interface ElmanSequenceOptions extends MaskOptions, ElmanCellOptions {
  /** [B, H] state before the first position; zero if absent. */
  readonly h0?: Tensor;
  /** Runs from the last position to the first. Default false. */
  readonly reverse?: boolean;
}

/**
 * An Elman layer over a whole sequence, in one direction: the plain recurrent network.
 *
 *   h ← f(W_ih x + b_ih + W_hh h + b_hh)     f = tanh, relu, σ or nothing
 *
 * @param x        [B, T, I]  inputs; any T ≥ 0
 * @param weights  see `ElmanWeights`
 * @param options  h0 [B, H], lengths [B] i32, resets [B, T] bool, nonlinearity, reverse
 * @returns        y [B, T, H], 0 where t ≥ lengths, and h [B, H], the state after the last position of each row
 * @throws ShapeError   shapes that do not fit together
 * @throws DTypeError   tensors that are not all f32 or all f64
 * @throws OptionError  an unknown nonlinearity
 * @see Elman 1990, "Finding Structure in Time"; with two biases, as PyTorch
 */
export function elmanSequence(
  x: Tensor,
  weights: ElmanWeights,
  options: ElmanSequenceOptions = {},
): [y: Tensor, h: Tensor] {
  const { reverse = false, nonlinearity = 'tanh' } = options;
  checkNonlinearity('elmanSequence', nonlinearity);
  const [B, T, H] = sequenceSizes('elmanSequence', x, weights, 1);
  expectShape('elmanSequence', 'h0', options.h0, '[B, H]', [B, H], 'Give one state per row.');
  return scope(() => {
    const like = { dtype: x.dtype, device: x.device };
    const h0 = options.h0 ?? zeros([B, H], like);
    const { valid, resets } = masksOf('elmanSequence', options, B, T);
    if (T === 0) return [zeros([B, 0, H], like), h0];

    const xg = linear(x, { weight: weights.weightIh, ...joinedBias(weights) });
    const attrs: ElmanAttrs = { nonlinearity, valid: !!valid, resets: !!resets, reverse };
    const [states] = apply(elmanOp, present([xg, weights.weightHh, h0, valid, resets]), attrs) as Tensor[];
    return [hidePadding(states, valid), at(states, reverse ? 0 : T - 1, 1)];
  });
}

/**
 * One position of an Elman layer.
 *
 * @param x        [B, I]
 * @param h        [B, H]  the state before it
 * @param weights  see `ElmanWeights`
 * @param options  nonlinearity
 * @returns        [B, H]  the state after it, which is also the output; formula at `elmanSequence`
 * @throws ShapeError, DTypeError, OptionError  as `elmanSequence`
 */
export function elmanCell(
  x: Tensor,
  h: Tensor,
  weights: ElmanWeights,
  options: ElmanCellOptions = {},
): Tensor {
  if (x.shape.length !== 2)
    throw new ShapeError(
      `elmanCell: x must be [B, I], got ${show(x.shape)}. For several positions use elmanSequence.`,
    );
  return scope(() => elmanSequence(expandDims(x, 1), weights, { ...options, h0: h })[1]);
}

/** f by its name. */
const functions: Record<ElmanNonlinearity, (x: Tensor) => Tensor> = {
  tanh,
  relu,
  sigmoid,
  identity: (x) => x,
};

/** @throws OptionError  unless it is one of them */
export function checkNonlinearity(fn: string, nonlinearity: ElmanNonlinearity): void {
  if (!Object.hasOwn(functions, nonlinearity))
    throw new OptionError(
      `${fn}: nonlinearity must be 'tanh', 'relu', 'sigmoid' or 'identity', got ${JSON.stringify(nonlinearity)}. Leave it out for tanh.`,
    );
}

/** y of all positions; `ElmanAttrs` says which masks follow xg, weightHh, h0. */
export const elmanOp: Op<ElmanAttrs> = /* @__PURE__ */ defineOp<ElmanAttrs>({
  name: 'elman',
  infer(inputs, attrs) {
    const { xg, weight, h0 } = forwardInputs(inputs, attrs);
    oneFloatType('elman', [xg, weight, h0]);
    return [{ shape: xg.shape, dtype: xg.dtype }];
  },
  cpu: elmanForwardKernel,
  scratch: ([xg]) => elmanScratch(xg.shape[0], xg.shape[2]),
  webgpu: () => gpu().elmanKernels,
  reference: elmanReference,
  vjp({ inputs, outputs, cotangents, attrs, needs }) {
    const { weight, h0, valid, resets } = forwardInputs(inputs, attrs);
    const [y] = outputs;
    const [dy] = cotangents;
    if (!dy) return inputs.map(() => null);
    const [B, T, H] = y.shape;
    const [da, dh0] = apply(elmanBackwardOp, present([dy, y, weight, valid, resets]), attrs) as Tensor[];
    const weightGradient = (): Tensor => {
      const before = previousStates(y, h0, attrs.reverse, resets);
      return matmul(transpose(reshape(da, [B * T, H])), reshape(before, [B * T, H]));
    };
    return [
      needs[0] ? da : null,
      needs[1] ? weightGradient() : null,
      needs[2] ? dh0 : null,
      ...present([valid, resets]).map(() => null),
    ];
  },
  cost([xg, weight]) {
    const [B, T, H] = xg.shape;
    return loopCost(B * T, matrixSize(weight), H, 2);
  },
});

/** The layer as a scan over its cell. */
function elmanReference(inputs: readonly Tensor[], attrs: ElmanAttrs): Tensor[] {
  const { xg, weight, h0, valid, resets } = forwardInputs(inputs, attrs);
  const recurrent = transpose(weight);
  const f = functions[attrs.nonlinearity];
  const [, y] = scan(
    (carry: Tensor, now: MasksNow & { xg: Tensor }) => {
      const h = clearWhere(carry, now.resets);
      const next = f(add(now.xg, matmul(h, recurrent)));
      const kept = now.valid ? where(expandDims(now.valid, 1), next, h) : next;
      return [kept, kept];
    },
    h0,
    { xg, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: attrs.reverse },
  );
  return [y];
}
