import {
  add,
  at,
  defineOp,
  expandDims,
  gt,
  matmul,
  mul,
  onesLike,
  scan,
  square,
  sub,
  where,
  zerosLike,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { clearWhere, loopCost, matrixSize } from '../internal/sequence.js';
import type { MasksNow } from '../internal/sequence.js';
import { backwardInputs, elmanBackwardKernel, elmanScratch } from './cpu.js';
import type { ElmanAttrs, ElmanNonlinearity } from './cpu.js';

const gpu = /* @__PURE__ */ lazyKernels('elman', () => import('./kernels.js'));

/** f′ where f gave y. */
const slopes: Record<ElmanNonlinearity, (y: Tensor) => Tensor> = {
  tanh: (y) => sub(1, square(y)),
  relu: (y) => where(gt(y, 0), onesLike(y), zerosLike(y)),
  sigmoid: (y) => mul(y, sub(1, y)),
  identity: onesLike,
};

/** da [B, T, H], dh0 [B, H] from dy, the states after each position and weightHh. */
export const elmanBackwardOp: Op<ElmanAttrs> = /* @__PURE__ */ defineOp<ElmanAttrs>({
  name: 'elman.backward',
  infer([dy]) {
    const [B, , H] = dy.shape;
    return [
      { shape: dy.shape, dtype: dy.dtype },
      { shape: [B, H], dtype: dy.dtype },
    ];
  },
  cpu: elmanBackwardKernel,
  scratch: ([dy]) => elmanScratch(dy.shape[0], dy.shape[2]),
  webgpu: () => gpu().elmanBackwardKernels,
  reference: elmanBackwardReference,
  cost([dy, , weight]) {
    const [B, T, H] = dy.shape;
    return loopCost(B * T, matrixSize(weight), H, 5);
  },
});

/** The gradient as a scan against time. */
function elmanBackwardReference(inputs: readonly Tensor[], attrs: ElmanAttrs): Tensor[] {
  const { dy, y, weight, valid, resets } = backwardInputs(inputs, attrs);
  const [dh0, da] = scan(
    (carry: Tensor, now: MasksNow & { dy: Tensor; y: Tensor }) => {
      const dh = add(now.dy, carry);
      const slope = slopes[attrs.nonlinearity](now.y);
      const keep = now.valid && expandDims(now.valid, 1);
      const here = keep ? where(keep, mul(dh, slope), zerosLike(dh)) : mul(dh, slope);
      const back = matmul(here, weight);
      return [clearWhere(keep ? where(keep, back, dh) : back, now.resets), here];
    },
    zerosLike(at(dy, 0, 1)),
    { dy, y, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: !attrs.reverse },
  );
  return [da, dh0];
}
