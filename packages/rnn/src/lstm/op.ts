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
  tanh,
  transpose,
  where,
  zeros,
  zerosLike,
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
import { joinedBias } from '../internal/weights.js';
import { lstmBackwardOp } from './backward.js';
import { forwardInputs, forwardScratch, lstmForwardKernel } from './cpu.js';
import type { LstmAttrs } from './cpu.js';
import { scannedSequence } from './scanned.js';
import type { LstmNorms } from './scanned.js';

const gpu = /* @__PURE__ */ lazyKernels('lstm', () => import('./kernels.js'));

/** Weights of one LSTM layer in one direction; rows of the gate matrices in blocks i, f, g, o. */
export interface LstmWeights {
  /** [4H, I] */
  readonly weightIh: Tensor;
  /** [4H, P], P = H without projection */
  readonly weightHh: Tensor;
  /** [4H] */
  readonly biasIh?: Tensor;
  /** [4H] */
  readonly biasHh?: Tensor;
  /** [P, H] projects what the cell shows to h */
  readonly weightHr?: Tensor;
  /** Normalises the gates and the cell: the layer-normalised LSTM */
  readonly norms?: LstmNorms;
  /** [3H] in blocks i, f, o: what the gates see of the cell */
  readonly peepholes?: Tensor;
}

/** State of an LSTM layer. */
export interface LstmState {
  /** [B, P] */
  readonly h: Tensor;
  /** [B, H] */
  readonly c: Tensor;
}

/** Options of `lstmSequence`. */
export interface LstmSequenceOptions extends MaskOptions {
  /** [B, P] output before the first position; zero if absent. */
  readonly h0?: Tensor;
  /** [B, H] cell before the first position; zero if absent. */
  readonly c0?: Tensor;
  /** Runs from the last position to the first. Default false. */
  readonly reverse?: boolean;
}

/**
 * An LSTM layer over a whole sequence, in one direction, optionally with projected output.
 *
 *   i = σ(W_ii x + b_ii + W_hi h + b_hi)      f = σ(W_if x + b_if + W_hf h + b_hf)
 *   g = tanh(W_ig x + b_ig + W_hg h + b_hg)   o = σ(W_io x + b_io + W_ho h + b_ho)
 *   c ← f ∘ c + i ∘ g
 *   h ← W_hr (o ∘ tanh c), or o ∘ tanh c without W_hr
 *
 * With `norms`, LN(W_ih x) and LN(W_hh h), each over all four gates, stand for the two products, and tanh LN(c) for
 * tanh c. With `peepholes`, p_i ∘ c and p_f ∘ c of the cell before are added inside σ of i and f, p_o ∘ c of the new one
 * inside that of o. Either form runs as a scan of its cell, not inside one op.
 *
 * @param x        [B, T, I]  inputs; any T ≥ 0
 * @param weights  see `LstmWeights`
 * @param options  h0 [B, P], c0 [B, H], lengths [B] i32, resets [B, T] bool, reverse
 * @returns        y [B, T, P], 0 where t ≥ lengths, and the state {h [B, P], c [B, H]} after the last position of each row
 * @throws ShapeError  shapes that do not fit together
 * @throws DTypeError  tensors that are not all f32 or all f64
 * @see Hochreiter and Schmidhuber 1997; with the forget gate of Gers, Schmidhuber and Cummins 2000;
 *      projection: Sak, Senior and Beaufays 2014, arXiv:1402.1128, eq. 7–14 without peepholes;
 *      peepholes: Gers, Schraudolph and Schmidhuber 2002;
 *      norms: Ba, Kiros and Hinton 2016, arXiv:1607.06450, eq. 20–22
 */
export function lstmSequence(
  x: Tensor,
  weights: LstmWeights,
  options: LstmSequenceOptions = {},
): [y: Tensor, state: LstmState] {
  const { reverse = false } = options;
  const { weightIh, weightHh, weightHr, norms, peepholes } = weights;
  const [B, T, H, P] = checkSizes('lstmSequence', x, weights);
  expectShape(
    'lstmSequence',
    'h0',
    options.h0,
    weightHr ? '[B, P]' : '[B, H]',
    [B, P],
    'Give one output per row.',
  );
  expectShape('lstmSequence', 'c0', options.c0, '[B, H]', [B, H], 'Give one cell per row.');
  return scope(() => {
    const like = { dtype: x.dtype, device: x.device };
    const h0 = options.h0 ?? zeros([B, P], like);
    const c0 = options.c0 ?? zeros([B, H], like);
    const masks = masksOf('lstmSequence', options, B, T);
    const { valid, resets } = masks;
    if (T === 0) return [zeros([B, 0, P], like), { h: h0, c: c0 }];

    if (norms || peepholes) return scannedSequence(x, weights, { h: h0, c: c0 }, masks, reverse);

    const xg = linear(x, { weight: weightIh, ...joinedBias(weights) });
    const attrs: LstmAttrs = { projected: !!weightHr, valid: !!valid, resets: !!resets, reverse };
    const inputs = present([xg, weightHh, h0, c0, weightHr, valid, resets]);
    const [y, cells] = apply(lstmOp, inputs, attrs) as Tensor[];
    const last = reverse ? 0 : T - 1;
    return [hidePadding(y, valid), { h: at(y, last, 1), c: at(cells, last, 1) }];
  });
}

/**
 * One position of an LSTM layer.
 *
 * @param x        [B, I]
 * @param state    {h [B, P], c [B, H]} before it
 * @param weights  see `LstmWeights`
 * @returns        the state after it; its h is the output; formulas at `lstmSequence`
 * @throws ShapeError, DTypeError  as `lstmSequence`
 */
export function lstmCell(x: Tensor, state: LstmState, weights: LstmWeights): LstmState {
  if (x.shape.length !== 2)
    throw new ShapeError(
      `lstmCell: x must be [B, I], got ${show(x.shape)}. For several positions use lstmSequence.`,
    );
  return scope(() => lstmSequence(expandDims(x, 1), weights, { h0: state.h, c0: state.c })[1]);
}

function checkSizes(
  fn: string,
  x: Tensor,
  weights: LstmWeights,
): [B: number, T: number, H: number, P: number] {
  if (x.shape.length !== 3)
    throw new ShapeError(`${fn}: x must be [B, T, I], got ${show(x.shape)}. Add the missing axes.`);
  const [B, T, I] = x.shape;
  const { weightIh, weightHh, weightHr, biasIh, biasHh, norms, peepholes } = weights;
  const P = weightHh.shape.at(-1) ?? 0;
  const H = weightHr ? (weightHr.shape.at(-1) ?? 0) : P;
  const from = weightHr
    ? `I = ${I} comes from x, P = ${P} from the columns of weightHh, H = ${H} from those of weightHr.`
    : `I = ${I} comes from x, H = ${H} from the columns of weightHh.`;
  expectShape(fn, 'weightHr', weightHr, '[P, H]', [P, H], from);
  expectShape(fn, 'weightHh', weightHh, weightHr ? '[4H, P]' : '[4H, H]', [4 * H, P], from);
  expectShape(fn, 'weightIh', weightIh, '[4H, I]', [4 * H, I], from);
  expectShape(fn, 'biasIh', biasIh, '[4H]', [4 * H], from);
  expectShape(fn, 'biasHh', biasHh, '[4H]', [4 * H], from);
  expectShape(fn, 'peepholes', peepholes, '[3H]', [3 * H], from);
  for (const [name, width] of [
    ['input', 4],
    ['recurrent', 4],
    ['cell', 1],
  ] as const) {
    const letters = width === 4 ? '[4H]' : '[H]';
    expectShape(fn, `norms.${name}.weight`, norms?.[name].weight, letters, [width * H], from);
    expectShape(fn, `norms.${name}.bias`, norms?.[name].bias, letters, [width * H], from);
  }
  return [B, T, H, P];
}

/** y, c, gates = i, f, g, o of all positions; `LstmAttrs` says which inputs follow xg, weightHh, h0, c0. */
export const lstmOp: Op<LstmAttrs> = /* @__PURE__ */ defineOp<LstmAttrs>({
  name: 'lstm',
  infer(inputs, attrs) {
    const { xg, weight, h0, c0, projection } = forwardInputs(inputs, attrs);
    oneFloatType('lstm', present([xg, weight, h0, c0, projection]));
    const [B, T] = xg.shape;
    const [P, H] = [h0.shape[1], c0.shape[1]];
    return [
      { shape: [B, T, P], dtype: xg.dtype },
      { shape: [B, T, H], dtype: xg.dtype },
      { shape: [B, T, 4 * H], dtype: xg.dtype },
    ];
  },
  cpu: lstmForwardKernel,
  scratch: ([, , h0, c0]) => forwardScratch(h0.shape[0], c0.shape[1], h0.shape[1]),
  webgpu: () => gpu().lstmKernels,
  reference: lstmReference,
  vjp(call) {
    const { inputs, outputs, cotangents, attrs, needs } = call;
    const { weight, h0, c0, projection, valid, resets } = forwardInputs(inputs, attrs);
    const [y, c, gates] = outputs;
    const [dy, dc, dgates] = cotangents;
    if (dgates) return referenceVjp(lstmReference, call); // in a second differentiation only
    const [B, T, P] = y.shape;
    const H = c.shape[2];
    const before = previousStates(c, c0, attrs.reverse, resets);
    const backward = present([
      dy ?? zerosLike(y),
      ...[before, c, gates, weight, dc ?? undefined, projection, valid, resets],
    ]);
    const [da, dh, dh0, dc0] = apply(lstmBackwardOp, backward, { ...attrs, cells: dc !== null }) as Tensor[];
    const shown = (): Tensor => mul(splitSizes(gates, [3 * H, H], 2)[1], tanh(c)); // o ∘ tanh c
    const outer = (rows: Tensor, R: number, columns: Tensor, C: number): Tensor =>
      matmul(transpose(reshape(rows, [B * T, R])), reshape(columns, [B * T, C]));
    return [
      needs[0] ? da : null,
      needs[1] ? outer(da, 4 * H, previousStates(y, h0, attrs.reverse, resets), P) : null,
      needs[2] ? dh0 : null,
      needs[3] ? dc0 : null,
      ...(projection ? [needs[4] ? outer(dh, P, shown(), H) : null] : []),
      ...present([valid, resets]).map(() => null),
    ];
  },
  cost(inputs, _, attrs) {
    const { xg, weight, c0, projection } = forwardInputs(inputs, attrs);
    const weights = matrixSize(weight) + (projection ? matrixSize(projection) : 0);
    return loopCost(xg.shape[0] * xg.shape[1], weights, c0.shape[1], 13);
  },
});

/** The layer as a scan over its cell. */
function lstmReference(inputs: readonly Tensor[], attrs: LstmAttrs): Tensor[] {
  const { xg, weight, h0, c0, projection, valid, resets } = forwardInputs(inputs, attrs);
  const H = c0.shape[1];
  const [, ys] = scan(
    (carry: { h: Tensor; c: Tensor }, now: MasksNow & { xg: Tensor }) => {
      const h = clearWhere(carry.h, now.resets);
      const c = clearWhere(carry.c, now.resets);
      const [ai, af, ag, ao] = splitSizes(add(now.xg, matmul(h, transpose(weight))), [H, H, H, H], 1);
      const [i, f, g, o] = [sigmoid(ai), sigmoid(af), tanh(ag), sigmoid(ao)];
      const nextC = add(mul(f, c), mul(i, g));
      const m = mul(o, tanh(nextC));
      const nextH = projection ? matmul(m, transpose(projection)) : m;
      const keep = now.valid && expandDims(now.valid, 1);
      const next = keep ? { h: where(keep, nextH, h), c: where(keep, nextC, c) } : { h: nextH, c: nextC };
      return [next, { ...next, gates: concat([i, f, g, o], 1) }];
    },
    { h: h0, c: c0 },
    { xg, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: attrs.reverse },
  );
  return [ys.h, ys.c, ys.gates];
}
