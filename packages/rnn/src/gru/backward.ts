import {
  add,
  at,
  concat,
  defineOp,
  expandDims,
  matmul,
  mul,
  scan,
  splitSizes,
  square,
  sub,
  where,
  zerosLike,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { clearWhere, loopCost, matrixSize } from '../internal/sequence.js';
import type { MasksNow } from '../internal/sequence.js';
import { backwardInputs, backwardScratch, gruBackwardKernel } from './cpu.js';
import type { GruAttrs } from './cpu.js';

const gpu = /* @__PURE__ */ lazyKernels('gru', () => import('./kernels.js'));

/** da [B, T, 3H], dp [B, T, 3H], dh0 [B, H] from dy, the states before each position, the gates and weightHh. */
export const gruBackwardOp: Op<GruAttrs> = /* @__PURE__ */ defineOp<GruAttrs>({
  name: 'gru.backward',
  infer([dy]) {
    const [B, T, H] = dy.shape;
    return [
      { shape: [B, T, 3 * H], dtype: dy.dtype },
      { shape: [B, T, 3 * H], dtype: dy.dtype },
      { shape: [B, H], dtype: dy.dtype },
    ];
  },
  cpu: gruBackwardKernel,
  scratch: ([dy]) => backwardScratch(dy.shape[0], dy.shape[2]),
  webgpu: () => gpu().gruBackwardKernels,
  reference: gruBackwardReference,
  cost([dy, , , weight]) {
    const [B, T, H] = dy.shape;
    return loopCost(B * T, matrixSize(weight), H, 18);
  },
});

/** The gradient as a scan against time. */
function gruBackwardReference(inputs: readonly Tensor[], attrs: GruAttrs): Tensor[] {
  const { dy, before, gates, weight, valid, resets } = backwardInputs(inputs, attrs);
  const H = dy.shape[2];
  const one = (x: Tensor): Tensor => sub(1, x);
  const [dh0, ys] = scan(
    (carry: Tensor, now: MasksNow & { dy: Tensor; h: Tensor; gates: Tensor }) => {
      const dh = add(now.dy, carry);
      const [r, z, n, q] = splitSizes(now.gates, [H, H, H, H], 1);
      const live = now.valid ? where(expandDims(now.valid, 1), dh, zerosLike(dh)) : dh;
      const dn = mul(mul(live, one(z)), one(square(n)));
      const dr = mul(mul(dn, q), mul(r, one(r)));
      const dz = mul(mul(live, sub(now.h, n)), mul(z, one(z)));
      const dp = concat([dr, dz, mul(dn, r)], 1);
      const kept = now.valid ? where(expandDims(now.valid, 1), mul(dh, z), dh) : mul(dh, z);
      const next = clearWhere(add(kept, matmul(dp, weight)), now.resets);
      return [next, { da: concat([dr, dz, dn], 1), dp }];
    },
    zerosLike(at(dy, 0, 1)),
    { dy, h: before, gates, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: !attrs.reverse },
  );
  return [ys.da, ys.dp, dh0];
}
