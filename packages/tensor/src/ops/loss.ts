import type { Tensor } from '../tensor.js';
import { exp } from '../cpu/exp.js';
import { kernelsOf } from '../cpu/kernel.js';
import { apply1 } from '../engine/apply.js';
import type { Aval } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, IndexError, OptionError, ShapeError, show } from '../engine/errors.js';
import type { CpuView, Op } from '../engine/op.js';
import { defineOp } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { referenceVjp } from '../grad.js';
import { oneHot } from './indexing.js';

/** What becomes of the losses of single positions. */
export type Reduction = 'mean' | 'sum' | 'none';

interface LossAttrs {
  readonly reduction: Reduction;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
}

/** Target of row r, or −1 when it is ignored. */
function targetOf(targets: CpuView, r: number, V: number, ignoreIndex: number): number {
  const y = targets.data[targets.offset + r];
  if (y === ignoreIndex) return -1;
  if (y >= 0 && y < V) return y;
  throw new IndexError(
    `crossEntropy: targets must be in [0, ${V - 1}] or ignoreIndex ${ignoreIndex}, got ${y} (element ${r}).`,
  );
}

/** Sum of the weights of all targets that count: what the mean is divided by. */
function totalWeight(targets: CpuView, weight: CpuView | undefined, V: number, ignoreIndex: number): number {
  const N = sizeOf(targets.shape);
  let total = 0;
  for (let r = 0; r < N; r++) {
    const y = targetOf(targets, r, V, ignoreIndex);
    if (y >= 0) total += weight === undefined ? 1 : weight.data[weight.offset + y];
  }
  return total;
}

function weightSum(weight: CpuView | undefined, V: number): number {
  if (weight === undefined) return V;
  let sum = 0;
  for (let c = 0; c < V; c++) sum += weight.data[weight.offset + c];
  return sum;
}

function rowMax(x: ArrayLike<number>, at: number, n: number): number {
  let m = -Infinity;
  for (let i = at; i < at + n; i++) {
    const v = x[i];
    if (v > m || v !== v) m = v;
  }
  return m;
}

/** Losses of rows of logits [N, V] under targets [N] and, optionally, class weights [V]. */
export const crossEntropyOp: Op<LossAttrs> = /* @__PURE__ */ defineOp<LossAttrs>({
  name: 'crossEntropy',
  throws: true,
  infer: ([logits, targets], { reduction }) => ({
    shape: reduction === 'none' ? targets.shape : [],
    dtype: logits.dtype,
  }),
  cpu(call) {
    const [logits, targets, weight] = call.inputs;
    const out = call.outputs[0];
    const { reduction, ignoreIndex, labelSmoothing: eps } = call.attrs;
    const [N, V] = logits.shape;
    const x = logits.data;
    const kernels = x instanceof Float32Array ? kernelsOf(call) : null;
    let total = 0;
    for (let r = 0; r < N; r++) {
      const y = targetOf(targets, r, V, ignoreIndex);
      let loss = 0;
      if (y >= 0) {
        const at = logits.offset + r * V;
        const p = x.byteOffset + 4 * at;
        const m = kernels === null ? rowMax(x, at, V) : kernels.maxOf(p, V);
        let sum = 0;
        if (kernels !== null) sum = kernels.expSumOf(p, V, m);
        else for (let i = at; i < at + V; i++) sum += exp(x[i] - m);
        const logSum = Math.log(sum);
        const wy = weight === undefined ? 1 : weight.data[weight.offset + y];
        // The maximum is subtracted first, so that equal large logits cancel exactly; −∞ has probability 0.
        const surprise = (i: number): number => (x[i] === -Infinity ? Infinity : m - x[i] + logSum);
        loss = wy * surprise(at + y);
        if (eps > 0) {
          let smooth = 0;
          for (let c = 0; c < V; c++) {
            const w = weight === undefined ? 1 : weight.data[weight.offset + c];
            if (w !== 0) smooth += w * surprise(at + c);
          }
          loss = (1 - eps) * loss + (eps / V) * smooth;
        }
      }
      if (reduction === 'none') out.data[out.offset + r] = loss;
      else total += loss;
    }
    if (reduction === 'sum') out.data[out.offset] = total;
    if (reduction === 'mean') out.data[out.offset] = total / totalWeight(targets, weight, V, ignoreIndex);
  },
  reference: ([logits, targets, weight], attrs) => reduce(rowLosses(logits, targets, weight, attrs), attrs),
  vjp(call) {
    const { inputs, cotangents, attrs, needs } = call;
    const [logits, targets, weight] = inputs;
    const grads: (Tensor | null)[] = [null, null];
    if (needs[0]) {
      const rest = weight === undefined ? [] : [weight];
      grads[0] = apply1(crossEntropyGradOp, [logits, targets, cotangents[0]!, ...rest], attrs);
    }
    if (weight !== undefined) {
      const byWeight = { ...call, needs: [false, false, needs[2]] };
      grads.push(needs[2] ? referenceVjp(crossEntropyOp.reference!, byWeight)[2] : null);
    }
    return grads;
  },
  cost: ([logits]) => ({ flops: 4 * sizeOf(logits.shape) }),
});

/** Gradient by the logits from logits [N, V], targets [N], the cotangent of the loss and class weights [V]. */
export const crossEntropyGradOp: Op<LossAttrs> = /* @__PURE__ */ defineOp<LossAttrs>({
  name: 'crossEntropyGrad',
  throws: true,
  inplace: [0],
  infer: ([logits]) => ({ shape: logits.shape, dtype: logits.dtype }),
  cpu(call) {
    const [logits, targets, g, weight] = call.inputs;
    const out = call.outputs[0];
    const { reduction, ignoreIndex, labelSmoothing: eps } = call.attrs;
    const [N, V] = logits.shape;
    const kernels = logits.data instanceof Float32Array ? kernelsOf(call) : null;
    const x = logits.data;
    const d = out.data;
    const all = weightSum(weight, V);
    const divisor = reduction === 'mean' ? totalWeight(targets, weight, V, ignoreIndex) : 1;
    for (let r = 0; r < N; r++) {
      const y = targetOf(targets, r, V, ignoreIndex);
      const at = logits.offset + r * V;
      const to = out.offset + r * V;
      if (y < 0) {
        d.fill(0, to, to + V);
        continue;
      }
      const [p, q] = [x.byteOffset + 4 * at, d.byteOffset + 4 * to];
      const m = kernels === null ? rowMax(x, at, V) : kernels.maxOf(p, V);
      let sum = 0;
      if (m === -Infinity) d.fill(0, to, to + V);
      else if (kernels !== null) sum = kernels.expStoreOf(q, p, V, m);
      else {
        for (let c = 0; c < V; c++) {
          const e = exp(x[at + c] - m);
          d[to + c] = e;
          sum += e;
        }
      }
      const scale = g.data[reduction === 'none' ? g.offset + r : g.offset] / divisor;
      const wy = weight === undefined ? 1 : weight.data[weight.offset + y];
      const pull = sum === 0 ? 0 : (scale * ((1 - eps) * wy + (eps / V) * all)) / sum;
      if (eps === 0 && kernels !== null) kernels.scaleOf(q, V, pull);
      else if (eps === 0) for (let c = to; c < to + V; c++) d[c] *= pull;
      else {
        for (let c = 0; c < V; c++) {
          const w = weight === undefined ? 1 : weight.data[weight.offset + c];
          d[to + c] = d[to + c] * pull - scale * (eps / V) * w;
        }
      }
      d[to + y] -= scale * (1 - eps) * wy;
    }
  },
  reference: gradReference,
  vjp: (call) => referenceVjp(gradReference, call),
  cost: ([logits]) => ({ flops: 6 * sizeOf(logits.shape) }),
});

/** Targets that can be looked up everywhere, which of them count, and their weights. */
function lookUp(
  targets: Tensor,
  weight: Tensor | undefined,
  dtype: Tensor['dtype'],
  ignoreIndex: number,
): { valid: Tensor; safe: Tensor; wy: Tensor } {
  const valid = targets.ne(ignoreIndex);
  const safe = valid.where(targets, 0);
  const counted = valid.cast(dtype);
  return { valid, safe, wy: weight === undefined ? counted : weight.gather(safe).mul(counted) };
}

function rowLosses(
  logits: Tensor,
  targets: Tensor,
  weight: Tensor | undefined,
  { ignoreIndex, labelSmoothing: eps }: LossAttrs,
): { rows: Tensor; wy: Tensor } {
  const { valid, safe, wy } = lookUp(targets, weight, logits.dtype, ignoreIndex);
  const logp = logits.logSoftmax();
  const nll = logp.takeAlong(safe.expandDims(1), 1).squeeze(1).neg();
  const smooth = (weight === undefined ? logp : logp.mul(weight)).sum(-1).neg();
  const rows =
    eps === 0
      ? wy.mul(nll)
      : wy
          .mul(nll)
          .mul(1 - eps)
          .add(smooth.mul(eps / logits.shape[1]));
  return { rows: valid.where(rows, 0), wy };
}

function reduce({ rows, wy }: { rows: Tensor; wy: Tensor }, { reduction }: LossAttrs): Tensor {
  if (reduction === 'none') return rows;
  return reduction === 'sum' ? rows.sum() : rows.sum().div(wy.sum());
}

function gradReference([logits, targets, g, weight]: readonly Tensor[], attrs: LossAttrs): Tensor {
  const { reduction, ignoreIndex, labelSmoothing: eps } = attrs;
  const V = logits.shape[1];
  const { valid, safe, wy } = lookUp(targets, weight, logits.dtype, ignoreIndex);
  const row = reduction === 'mean' ? g.div(wy.sum()) : g;
  const scale = valid.where(row, 0);
  const all = weight === undefined ? logits.scalar(V) : weight.sum();
  const pull = wy
    .mul(1 - eps)
    .add(all.mul(eps / V))
    .mul(scale);
  const even = weight === undefined ? logits.scalar(eps / V) : weight.mul(eps / V);
  const spread = logits
    .softmax()
    .mul(pull.expandDims(1))
    .sub(even.mul(scale.expandDims(1)));
  const hits = wy
    .mul(scale)
    .mul(1 - eps)
    .expandDims(1);
  return spread.sub(oneHot(safe, V, { dtype: logits.dtype }).mul(hits));
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** `mean` over counted positions (weighted when there are weights), `sum`, or `none`. Default `mean`. */
  reduction?: Reduction;
  /** Positions with this target do not count. Default −100. */
  ignoreIndex?: number;
  /** Share of the target's probability that is spread evenly over all classes, in [0, 1]. Default 0. */
  labelSmoothing?: number;
  /** Weight of each class [V]. */
  weight?: Tensor;
}

function check(
  logits: Aval,
  targets: Aval,
  o: Required<Omit<CrossEntropyOptions, 'weight'>>,
  weight?: Aval,
): void {
  if (logits.dtype !== 'f32' && logits.dtype !== 'f64') {
    throw new DTypeError(`crossEntropy: logits must be f32 or f64, got ${logits.dtype}. Use cast() first.`);
  }
  if (targets.dtype !== 'i32') {
    throw new DTypeError(
      `crossEntropy: targets must be i32 class numbers, got ${targets.dtype}. Use cast('i32').`,
    );
  }
  const lead = logits.shape.slice(0, -1);
  if (logits.shape.length === 0 || show(lead) !== show(targets.shape)) {
    throw new ShapeError(
      `crossEntropy: targets must have the shape of logits without the last axis, got logits ${show(logits.shape)} and targets ${show(targets.shape)}.`,
    );
  }
  const V = logits.shape[logits.shape.length - 1];
  if (
    weight !== undefined &&
    (weight.dtype !== logits.dtype || weight.shape.length !== 1 || weight.shape[0] !== V)
  ) {
    throw new ShapeError(
      `crossEntropy: weight must be ${logits.dtype} [${V}], got ${weight.dtype} ${show(weight.shape)}. Give one weight per class.`,
    );
  }
  if (o.reduction !== 'mean' && o.reduction !== 'sum' && o.reduction !== 'none') {
    throw new OptionError(
      `crossEntropy: reduction must be 'mean', 'sum' or 'none', got ${JSON.stringify(o.reduction)}.`,
    );
  }
  if (!(o.labelSmoothing >= 0 && o.labelSmoothing <= 1)) {
    throw new OptionError(`crossEntropy: labelSmoothing must be in [0, 1], got ${o.labelSmoothing}.`);
  }
  if (!Number.isInteger(o.ignoreIndex)) {
    throw new OptionError(`crossEntropy: ignoreIndex must be an integer, got ${o.ignoreIndex}.`);
  }
}

/**
 * Negative log-likelihood of classes under softmax(logits), safe for logits of any size.
 *
 * With n = log Σ_c exp z_c − z the surprise of each class, ε the smoothing and w the weights (1 by default):
 * loss = (1 − ε) w_y n_y + ε/V Σ_c w_c n_c, and 0 where y = ignoreIndex. The mean divides the sum by Σ w_y of
 * the positions that count; when none counts it is NaN, as in PyTorch, while all gradients are 0.
 *
 * @param logits   [..., V]
 * @param targets  [...]     i32 in [0, V), or ignoreIndex
 * @returns        scalar, or [...] for `none`; in nats
 * @throws ShapeError, DTypeError, OptionError; IndexError when the data is read
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  { reduction = 'mean', ignoreIndex = -100, labelSmoothing = 0, weight }: CrossEntropyOptions = {},
): Tensor {
  check(logits, targets, { reduction, ignoreIndex, labelSmoothing }, weight);
  return temporaries(() => {
    const rows = logits.reshape([targets.size, logits.shape[logits.shape.length - 1]]);
    const rest = weight === undefined ? [] : [weight];
    const attrs = { reduction, ignoreIndex, labelSmoothing };
    const loss = apply1(crossEntropyOp, [rows, targets.reshape([targets.size]), ...rest], attrs);
    return reduction === 'none' ? loss.reshape(targets.shape) : loss;
  });
}
