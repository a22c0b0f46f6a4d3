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
  sigmoid,
  splitSizes,
  square,
  sub,
  tanh,
  transpose,
  where,
  zerosLike,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { clearWhere, loopCost, matrixSize, oneFloatType, present } from '../internal/sequence.js';
import { shifted } from '../internal/previous.js';
import type { MasksNow } from '../internal/sequence.js';
import {
  backwardInputs,
  backwardScratch,
  forwardInputs,
  forwardScratch,
  gruBeforeBackwardKernel,
  gruBeforeForwardKernel,
} from './before-cpu.js';
import type { GruBeforeAttrs } from './before-cpu.js';

const gpu = /* @__PURE__ */ lazyKernels('gru', () => import('./before-kernels.js'));

/** The form with the reset gate before the product. y, gates = r, z, n of all positions from xg, weightHh, h0 and masks. */
export const gruBeforeOp: Op<GruBeforeAttrs> = /* @__PURE__ */ defineOp<GruBeforeAttrs>({
  name: 'gru.resetBefore',
  infer(inputs, attrs) {
    const { xg, weight, h0 } = forwardInputs(inputs, attrs);
    oneFloatType('gru', [xg, weight, h0]);
    const [B, T] = xg.shape;
    return [
      { shape: [B, T, h0.shape[1]], dtype: xg.dtype },
      { shape: xg.shape, dtype: xg.dtype },
    ];
  },
  cpu: gruBeforeForwardKernel,
  scratch: (inputs) => forwardScratch(inputs[2].shape[0], inputs[2].shape[1]),
  webgpu: () => gpu().gruBeforeKernels,
  reference: forwardReference,
  vjp(call) {
    const { inputs, outputs, cotangents, attrs, needs } = call;
    const { weight, h0, valid, resets } = forwardInputs(inputs, attrs);
    const [y, gates] = outputs;
    const [dy, dgates] = cotangents;
    if (dgates) return referenceVjp(forwardReference, call); // in a second differentiation only
    if (!dy) return inputs.map(() => null);
    const [B, T, H] = y.shape;
    const read = apply(gruReadOp, present([y, h0, gates, resets]), attrs) as Tensor;
    const before = at(read, 0, 0);
    const backward = present([dy, before, gates, weight, valid, resets]);
    const [da, dh0] = apply(gruBeforeBackwardOp, backward, attrs) as Tensor[];
    const weightGradient = (): Tensor => {
      const rows = transpose(reshape(da, [B * T, 3, H]), [1, 2, 0]);
      return reshape(matmul(rows, reshape(read, [3, B * T, H])), [3 * H, H]);
    };
    return [
      needs[0] ? da : null,
      needs[1] ? weightGradient() : null,
      needs[2] ? dh0 : null,
      ...present([valid, resets]).map(() => null),
    ];
  },
  cost([xg, weight, h0]) {
    const [B, T] = xg.shape;
    return loopCost(B * T, matrixSize(weight), h0.shape[1], 10);
  },
});

/** The layer as a scan over its cell. */
function forwardReference(inputs: readonly Tensor[], attrs: GruBeforeAttrs): Tensor[] {
  const { xg, weight, h0, valid, resets } = forwardInputs(inputs, attrs);
  const H = h0.shape[1];
  const [gateWeight, newWeight] = splitSizes(weight, [2 * H, H], 0).map((w) => transpose(w));
  const [, ys] = scan(
    (carry: Tensor, now: MasksNow & { xg: Tensor }) => {
      const h = clearWhere(carry, now.resets);
      const [xrz, xn] = splitSizes(now.xg, [2 * H, H], 1);
      const rz = sigmoid(add(xrz, matmul(h, gateWeight)));
      const [r, z] = splitSizes(rz, [H, H], 1);
      const n = tanh(add(xn, matmul(mul(r, h), newWeight)));
      const next = add(n, mul(z, sub(h, n)));
      const y = now.valid ? where(expandDims(now.valid, 1), next, h) : next;
      return [y, { y, gates: concat([rz, n], 1) }];
    },
    h0,
    { xg, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: attrs.reverse },
  );
  return [ys.y, ys.gates];
}

/**
 * What the three blocks of W_hh are multiplied with at all positions, [3, B, T, H]: the state h before them twice, and
 * r ∘ h; from y, h0, the gates and resets.
 */
export const gruReadOp: Op<GruBeforeAttrs> = /* @__PURE__ */ defineOp<GruBeforeAttrs>({
  name: 'gru.resetBefore.read',
  infer: ([y]) => ({ shape: [3, ...y.shape], dtype: y.dtype }),
  webgpu: () => gpu().gruReadKernels,
  reference([y, h0, gates, resets], { reverse }) {
    const H = h0.shape[1];
    const before = shifted(y, h0, reverse, resets);
    const [r] = splitSizes(gates, [H, 2 * H], 2);
    return concat(
      [before, before, mul(r, before)].map((block) => expandDims(block, 0)),
      0,
    );
  },
});

/** da [B, T, 3H], dh0 [B, H] from dy, the states before each position, the gates and weightHh. */
export const gruBeforeBackwardOp: Op<GruBeforeAttrs> = /* @__PURE__ */ defineOp<GruBeforeAttrs>({
  name: 'gru.resetBefore.backward',
  infer([dy]) {
    const [B, T, H] = dy.shape;
    return [
      { shape: [B, T, 3 * H], dtype: dy.dtype },
      { shape: [B, H], dtype: dy.dtype },
    ];
  },
  cpu: gruBeforeBackwardKernel,
  scratch: ([dy]) => backwardScratch(dy.shape[0], dy.shape[2]),
  webgpu: () => gpu().gruBeforeBackwardKernels,
  reference: backwardReference,
  cost([dy, , , weight]) {
    const [B, T, H] = dy.shape;
    return loopCost(B * T, matrixSize(weight), H, 20);
  },
});

/** The gradient as a scan against time. */
function backwardReference(inputs: readonly Tensor[], attrs: GruBeforeAttrs): Tensor[] {
  const { dy, before, gates, weight, valid, resets } = backwardInputs(inputs, attrs);
  const H = dy.shape[2];
  const [gateWeight, newWeight] = splitSizes(weight, [2 * H, H], 0);
  const one = (x: Tensor): Tensor => sub(1, x);
  const [dh0, da] = scan(
    (carry: Tensor, now: MasksNow & { dy: Tensor; h: Tensor; gates: Tensor }) => {
      const dh = add(now.dy, carry);
      const [r, z, n] = splitSizes(now.gates, [H, H, H], 1);
      const keep = now.valid && expandDims(now.valid, 1);
      const live = keep ? where(keep, dh, zerosLike(dh)) : dh;
      const dn = mul(mul(live, one(z)), one(square(n)));
      const dSeen = matmul(dn, newWeight);
      const drz = concat(
        [mul(mul(dSeen, now.h), mul(r, one(r))), mul(mul(live, sub(now.h, n)), mul(z, one(z)))],
        1,
      );
      const kept = keep ? where(keep, mul(dh, z), dh) : mul(dh, z);
      const back = add(add(kept, mul(dSeen, r)), matmul(drz, gateWeight));
      return [clearWhere(back, now.resets), concat([drz, dn], 1)];
    },
    zerosLike(at(dy, 0, 1)),
    { dy, h: before, gates, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: !attrs.reverse },
  );
  return [da, dh0];
}
