import {
  add,
  apply,
  at,
  concat,
  defineOp,
  expandDims,
  matmul,
  mul,
  referenceVjp,
  reshape,
  scan,
  scope,
  ShapeError,
  show,
  sigmoid,
  splitSizes,
  sub,
  sum,
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
import { gruBackwardOp } from './backward.js';
import { gruBeforeOp } from './before.js';
import { forwardInputs, forwardScratch, gruForwardKernel } from './cpu.js';
import type { GruAttrs } from './cpu.js';

const gpu = /* @__PURE__ */ lazyKernels('gru', () => import('./kernels.js'));

/** Weights of one GRU layer in one direction; rows of every matrix in blocks r, z, n. */
export interface GruWeights {
  /** [3H, I] */
  readonly weightIh: Tensor;
  /** [3H, H] */
  readonly weightHh: Tensor;
  /** [3H] */
  readonly biasIh?: Tensor;
  /** [3H] */
  readonly biasHh?: Tensor;
}

/** Options of `gruCell`. */
export interface GruCellOptions {
  /**
   * Whether the reset gate acts on W_hn h + b_hn, as in PyTorch and cuDNN, or on h before that product, as in the
   * paper. Weights of one form are of no use to the other. Default true.
   */
  readonly resetAfter?: boolean;
}

/** Options of `gruSequence`. */
export interface GruSequenceOptions extends MaskOptions, GruCellOptions {
  /** [B, H] state before the first position; zero if absent. */
  readonly h0?: Tensor;
  /** Runs from the last position to the first. Default false. */
  readonly reverse?: boolean;
}

/**
 * A GRU layer over a whole sequence, in one direction.
 *
 *   r = σ(W_ir x + b_ir + W_hr h + b_hr)
 *   z = σ(W_iz x + b_iz + W_hz h + b_hz)
 *   n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))     with resetAfter: false  tanh(W_in x + b_in + W_hn (r ∘ h) + b_hn)
 *   h ← (1 − z) ∘ n + z ∘ h
 *
 * @param x        [B, T, I]  inputs; any T ≥ 0
 * @param weights  see `GruWeights`
 * @param options  h0 [B, H], lengths [B] i32, resets [B, T] bool, resetAfter, reverse
 * @returns        y [B, T, H], 0 where t ≥ lengths, and h [B, H], the state after the last position of each row
 * @throws ShapeError  shapes that do not fit together
 * @throws DTypeError  tensors that are not all f32 or all f64
 * @see Cho et al. 2014, arXiv:1406.1078, eq. 5–8 (resetAfter: false, z and 1 − z exchanged); by default with the
 *      reset gate after the recurrent product, as cuDNN and PyTorch
 */
export function gruSequence(
  x: Tensor,
  weights: GruWeights,
  options: GruSequenceOptions = {},
): [y: Tensor, h: Tensor] {
  const { reverse = false, resetAfter = true } = options;
  const { weightIh, weightHh, biasIh, biasHh } = weights;
  const [B, T, H] = sequenceSizes('gruSequence', x, weights, 3);
  expectShape('gruSequence', 'h0', options.h0, '[B, H]', [B, H], 'Give one state per row.');
  return scope(() => {
    const like = { dtype: x.dtype, device: x.device };
    const h0 = options.h0 ?? zeros([B, H], like);
    const { valid, resets } = masksOf('gruSequence', options, B, T);
    if (T === 0) return [zeros([B, 0, H], like), h0];

    const flags = { valid: !!valid, resets: !!resets, reverse };
    const layer = (): Tensor[] => {
      if (!resetAfter) {
        const xg = linear(x, { weight: weightIh, ...joinedBias(weights) });
        return apply(gruBeforeOp, present([xg, weightHh, h0, valid, resets]), flags) as Tensor[];
      }
      const xg = linear(x, { weight: weightIh, ...(biasIh && { bias: biasIh }) });
      const inputs = present([xg, weightHh, h0, biasHh, valid, resets]);
      return apply(gruOp, inputs, { ...flags, bias: !!biasHh }) as Tensor[];
    };
    const [states] = layer();
    return [hidePadding(states, valid), at(states, reverse ? 0 : T - 1, 1)];
  });
}

/**
 * One position of a GRU layer.
 *
 * @param x        [B, I]
 * @param h        [B, H]  the state before it
 * @param weights  see `GruWeights`
 * @param options  resetAfter
 * @returns        [B, H]  the state after it, which is also the output; formulas at `gruSequence`
 * @throws ShapeError, DTypeError  as `gruSequence`
 */
export function gruCell(x: Tensor, h: Tensor, weights: GruWeights, options: GruCellOptions = {}): Tensor {
  if (x.shape.length !== 2)
    throw new ShapeError(
      `gruCell: x must be [B, I], got ${show(x.shape)}. For several positions use gruSequence.`,
    );
  return scope(() => gruSequence(expandDims(x, 1), weights, { ...options, h0: h })[1]);
}

/** The form with the reset gate after the product. y, gates = r, z, n, q of all positions; `GruAttrs` says which inputs follow xg, weightHh, h0. */
export const gruOp: Op<GruAttrs> = /* @__PURE__ */ defineOp<GruAttrs>({
  name: 'gru',
  infer(inputs, attrs) {
    const { xg, weight, h0, bias } = forwardInputs(inputs, attrs);
    oneFloatType('gru', present([xg, weight, h0, bias]));
    const [B, T] = xg.shape;
    const H = h0.shape[1];
    return [
      { shape: [B, T, H], dtype: xg.dtype },
      { shape: [B, T, 4 * H], dtype: xg.dtype },
    ];
  },
  cpu: gruForwardKernel,
  scratch: (inputs) => forwardScratch(inputs[2].shape[0], inputs[2].shape[1]),
  webgpu: () => gpu().gruKernels,
  reference: gruReference,
  vjp(call) {
    const { inputs, outputs, cotangents, attrs, needs } = call;
    const { weight, h0, bias, valid, resets } = forwardInputs(inputs, attrs);
    const [y, gates] = outputs;
    const [dy, dgates] = cotangents;
    if (dgates) return referenceVjp(gruReference, call); // in a second differentiation only
    if (!dy) return inputs.map(() => null);
    const [B, T, H] = y.shape;
    const before = previousStates(y, h0, attrs.reverse, resets);
    const backward = present([dy, before, gates, weight, valid, resets]);
    const [da, dp, dh0] = apply(gruBackwardOp, backward, attrs) as Tensor[];
    const rows = reshape(dp, [B * T, 3 * H]);
    return [
      needs[0] ? da : null,
      needs[1] ? matmul(transpose(rows), reshape(before, [B * T, H])) : null,
      needs[2] ? dh0 : null,
      ...(bias ? [needs[3] ? sum(rows, 0) : null] : []),
      ...present([valid, resets]).map(() => null),
    ];
  },
  cost([xg, weight, h0], _, { bias }) {
    const [B, T] = xg.shape;
    return loopCost(B * T, matrixSize(weight), h0.shape[1], bias ? 13 : 10);
  },
});

/** The layer as a scan over its cell. */
function gruReference(inputs: readonly Tensor[], attrs: GruAttrs): Tensor[] {
  const { xg, weight, h0, bias, valid, resets } = forwardInputs(inputs, attrs);
  const H = h0.shape[1];
  const recurrent = transpose(weight);
  const [, ys] = scan(
    (carry: Tensor, now: MasksNow & { xg: Tensor }) => {
      const h = clearWhere(carry, now.resets);
      const product = matmul(h, recurrent);
      const p = bias ? add(product, bias) : product;
      const [pr, pz, q] = splitSizes(p, [H, H, H], 1);
      const [xr, xz, xn] = splitSizes(now.xg, [H, H, H], 1);
      const r = sigmoid(add(xr, pr));
      const z = sigmoid(add(xz, pz));
      const n = tanh(add(xn, mul(r, q)));
      const next = add(n, mul(z, sub(h, n)));
      const y = now.valid ? where(expandDims(now.valid, 1), next, h) : next;
      return [y, { y, gates: concat([r, z, n, q], 1) }];
    },
    h0,
    { xg, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: attrs.reverse },
  );
  return [ys.y, ys.gates];
}
