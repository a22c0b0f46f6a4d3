import { apply, cast, defineOp, referenceVjp, vjp } from '@seq/tensor';
import type { Aval, DType, Op, Tensor, VjpCall } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { named, namedGrad, pairsOf, sizesOf } from './call.js';
import type { FlashAttrs, FlashGradAttrs } from './call.js';
import { backwardCpu, backwardScratch, forwardCpu, forwardScratch } from './cpu.js';
import { flashReference } from './reference.js';

const forwardGpu = /* @__PURE__ */ lazyKernels('flashAttention', () => import('./gpu.js'));
const backwardGpu = /* @__PURE__ */ lazyKernels('flashAttention', () => import('./gpu-backward.js'));

/** What is computed of numbers of a type: f16 is a storage type. */
const computed = (dtype: DType): DType => (dtype === 'f16' ? 'f32' : dtype);

/** o [B, T, H, V] and lse [B, H, T], f32 of f16; `FlashAttrs` says which inputs follow q, k, v. */
export const flashAttentionOp: Op<FlashAttrs> = /* @__PURE__ */ defineOp<FlashAttrs>({
  name: 'flashAttention',
  strided: true,
  infer(inputs, attrs) {
    const all = named(inputs, attrs);
    const { B, T, H, V } = sizesOf(all);
    const dtype = computed(all.q.dtype);
    return [
      { shape: [B, T, H, V], dtype },
      { shape: [B, H, T], dtype },
    ];
  },
  cpu: forwardCpu,
  scratch: forwardScratch,
  webgpu: () => forwardGpu().forwardKernels,
  reference: flashReference,
  vjp: gradient,
  cost(inputs, _, attrs) {
    const sizes = sizesOf(named(inputs, attrs));
    const pairs = sizes.B * sizes.H * pairsOf(sizes, attrs);
    const matmulFlops = 2 * pairs * (sizes.D + sizes.V);
    return {
      matmulFlops,
      flops: matmulFlops + pairs * perPair(attrs) + sizes.B * sizes.T * sizes.H * sizes.D,
    };
  },
});

/** Work on one score beside products: softmax 4, softcap 3, a bias 1, a slope 2, dropout 1. */
function perPair({ softcap, bias, slopes, dropout }: FlashAttrs): number {
  return 4 + (softcap > 0 ? 3 : 0) + Number(bias) + (slopes ? 2 : 0) + (dropout > 0 ? 1 : 0);
}

function gradient(call: VjpCall<FlashAttrs>): (Tensor | null)[] {
  const { inputs, outputs, cotangents, attrs, needs } = call;
  const [o, lse] = outputs;
  const [dO, dLse] = cotangents;
  const ofBias = attrs.bias && needs[3];
  const all = [dO ?? o.zeros(), ...(dLse ? [dLse] : []), o, lse, ...inputs];
  const grads = apply(flashGradOp, all, { ...attrs, byLse: dLse !== null, ofBias }) as Tensor[];
  return inputs.map(({ dtype }, i) => (needs[i] && grads[i] ? cast(grads[i], dtype) : null));
}

/** Gradients by q, k, v and, when asked for, by the bias. Weights are made again from lse. */
export const flashGradOp: Op<FlashGradAttrs> = /* @__PURE__ */ defineOp<FlashGradAttrs>({
  name: 'flashAttention.backward',
  strided: true,
  infer(inputs, attrs) {
    const { q, k, v, bias } = named(namedGrad(inputs, attrs).forward, attrs);
    const like = ({ shape, dtype }: Aval): Aval => ({ shape, dtype: computed(dtype) });
    return [q, k, v, ...(attrs.ofBias ? [bias!] : [])].map(like);
  },
  cpu: backwardCpu,
  scratch: backwardScratch,
  webgpu: () => backwardGpu().backwardKernels,
  reference: gradReference,
  vjp: (call) => referenceVjp(gradReference, call),
  cost(inputs, _, attrs) {
    const sizes = sizesOf(named(namedGrad(inputs, attrs).forward, attrs));
    const pairs = sizes.B * sizes.H * pairsOf(sizes, attrs);
    const matmulFlops = 2 * pairs * (3 * sizes.D + 2 * sizes.V);
    return { matmulFlops, flops: matmulFlops + pairs * (3 + perPair(attrs)) };
  },
});

function gradReference(inputs: readonly Tensor[], attrs: FlashGradAttrs): Tensor[] {
  const { dO, dLse, lse, forward: stored } = namedGrad(inputs, attrs);
  const forward = stored.map((x) => (x.dtype === 'f16' ? cast(x, 'f32') : x));
  const n = attrs.ofBias ? 4 : 3;
  const outputs = (...moving: Tensor[]): Tensor[] => flashReference([...moving, ...forward.slice(n)], attrs);
  const [, grads] = vjp(outputs, forward.slice(0, n), [dO, dLse ?? lse.zeros()]);
  return [...grads];
}
