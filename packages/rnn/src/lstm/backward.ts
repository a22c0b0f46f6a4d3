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
  tanh,
  where,
  zerosLike,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { clearWhere, loopCost, matrixSize } from '../internal/sequence.js';
import type { MasksNow } from '../internal/sequence.js';
import { backwardInputs, backwardScratch, lstmBackwardKernel } from './cpu.js';
import type { LstmBackwardAttrs } from './cpu.js';

const gpu = /* @__PURE__ */ lazyKernels('lstm', () => import('./backward-kernels.js'));

/** da [B, T, 4H], dh [B, T, P], dh0 [B, P], dc0 [B, H] from the cotangents, the cells, the gates and the weights. */
export const lstmBackwardOp: Op<LstmBackwardAttrs> = /* @__PURE__ */ defineOp<LstmBackwardAttrs>({
  name: 'lstm.backward',
  infer([dy, , c]) {
    const [B, T, P] = dy.shape;
    const H = c.shape[2];
    return [
      { shape: [B, T, 4 * H], dtype: dy.dtype },
      { shape: [B, T, P], dtype: dy.dtype },
      { shape: [B, P], dtype: dy.dtype },
      { shape: [B, H], dtype: dy.dtype },
    ];
  },
  cpu: lstmBackwardKernel,
  scratch: ([dy, , c]) => backwardScratch(dy.shape[0], c.shape[2], dy.shape[2]),
  webgpu: () => gpu().lstmBackwardKernels,
  reference: lstmBackwardReference,
  cost(inputs, _, attrs) {
    const { dy, c, weight, projection } = backwardInputs(inputs, attrs);
    const [B, T] = dy.shape;
    const weights = matrixSize(weight) + (projection ? matrixSize(projection) : 0);
    return loopCost(B * T, weights, c.shape[2], 25);
  },
});

/** The gradient as a scan against time. */
function lstmBackwardReference(inputs: readonly Tensor[], attrs: LstmBackwardAttrs): Tensor[] {
  const { dy, before, c, gates, weight, dc, projection, valid, resets } = backwardInputs(inputs, attrs);
  const H = c.shape[2];
  const one = (x: Tensor): Tensor => sub(1, x);
  const [carry, ys] = scan(
    (
      after: { h: Tensor; c: Tensor },
      now: MasksNow & { dy: Tensor; dc: Tensor | null; before: Tensor; c: Tensor; gates: Tensor },
    ) => {
      const keep = now.valid && expandDims(now.valid, 1);
      const live = (x: Tensor): Tensor => (keep ? where(keep, x, zerosLike(x)) : x);
      const wholeH = add(now.dy, after.h);
      const wholeC = now.dc ? add(now.dc, after.c) : after.c;
      const dh = live(wholeH);
      const dm = projection ? matmul(dh, projection) : dh;
      const [i, f, g, o] = splitSizes(now.gates, [H, H, H, H], 1);
      const tc = tanh(now.c);
      const dct = add(live(wholeC), mul(mul(dm, o), one(square(tc))));
      const da = concat(
        [
          mul(mul(dct, g), mul(i, one(i))),
          mul(mul(dct, now.before), mul(f, one(f))),
          mul(mul(dct, i), one(square(g))),
          mul(mul(dm, tc), mul(o, one(o))),
        ],
        1,
      );
      const back = matmul(da, weight);
      const previous = keep
        ? { h: where(keep, back, wholeH), c: where(keep, mul(dct, f), wholeC) }
        : { h: back, c: mul(dct, f) };
      return [
        { h: clearWhere(previous.h, now.resets), c: clearWhere(previous.c, now.resets) },
        { da, dh },
      ];
    },
    { h: zerosLike(at(dy, 0, 1)), c: zerosLike(at(c, 0, 1)) },
    { dy, dc: dc ?? null, before, c, gates, valid: valid ?? null, resets: resets ?? null },
    { axis: 1, reverse: !attrs.reverse },
  );
  return [ys.da, ys.dh, carry.h, carry.c];
}
