import { apply, defineOp, DTypeError, ones, OptionError, ShapeError, show, sizeOf, zeros } from '@seq/tensor';
import type { Aval, Op, Tensor, TensorOptions } from '@seq/tensor';
import type { GpuKernels } from '@seq/tensor/engine';
import { lazyKernels } from '@seq/tensor/engine';
import { layerNormBackwardCpu, layerNormCpu, rmsNormBackwardCpu, rmsNormCpu } from './norm-kernels.js';
import type { NormAttrs } from './norm-kernels.js';

const gpu = /* @__PURE__ */ lazyKernels('norm', () => import('./norm-webgpu.js'));

/** Parameters of `layerNorm`; `{}` normalises without gain and shift. */
export type LayerNormParams = {
  /** [C] */
  weight?: Tensor;
  /** [C] */
  bias?: Tensor;
};

/** Parameters of `rmsNorm`. */
export type RmsNormParams = {
  /** [C] */
  weight?: Tensor;
};

function checkNorm(where: string, [x, ...vectors]: readonly Aval[]): Aval {
  const { shape, dtype } = x;
  const C = shape[shape.length - 1];
  if (C === undefined) throw new ShapeError(`${where}: x must be [..., C], got the scalar [].`);
  if (dtype !== 'f32' && dtype !== 'f64') {
    throw new DTypeError(`${where}: x must be f32 or f64, got ${dtype}. Cast it first.`);
  }
  for (const v of vectors) {
    if (v.shape.length !== 1 || v.shape[0] !== C) {
      throw new ShapeError(
        `${where}: weight and bias must be [C] = [${C}], got ${show(v.shape)}; x is ${show(shape)}.`,
      );
    }
    if (v.dtype !== dtype) {
      throw new DTypeError(`${where}: weight and bias must have the dtype of x, ${dtype}, got ${v.dtype}.`);
    }
  }
  return { shape, dtype };
}

function checkEps(where: string, eps: number): void {
  if (!(eps >= 0)) throw new OptionError(`${where}: eps must not be negative, got ${eps}.`);
}

/** Splits inputs x, weight?, dy of a backward op, and answers dy times weight. */
function backwardInputs(
  inputs: readonly Tensor[],
  attrs: NormAttrs,
): { x: Tensor; dy: Tensor; weighted: Tensor } {
  const x = inputs[0];
  const dy = inputs[inputs.length - 1];
  return { x, dy, weighted: attrs.weight ? dy.mul(inputs[1]) : dy };
}

/** Sum over all axes but the last. */
function sumRows(t: Tensor): Tensor {
  return t.reshape([sizeOf(t.shape.slice(0, -1)), t.shape[t.ndim - 1]]).sum(0);
}

const keep = { keepDims: true };

/** Kernels for WebGPU of a norm or its gradient. */
const kernels = (name: string, centre: boolean, backward: boolean): GpuKernels<NormAttrs> =>
  gpu().normKernels(({ inputs, attrs: { eps, weight, bias } }) => {
    const size = inputs[0].shape[inputs[0].shape.length - 1];
    // The gradient is not given the bias.
    return { kind: { name, centre, weight, bias: bias && !backward }, eps, size };
  }, backward);

const layerNormBackwardOp: Op<NormAttrs> = /* @__PURE__ */ defineOp<NormAttrs>({
  name: 'layerNorm.backward',
  infer(inputs) {
    const { shape, dtype } = inputs[0];
    const vector = { shape: shape.slice(-1), dtype };
    return [{ shape, dtype }, vector, vector];
  },
  cpu: layerNormBackwardCpu,
  webgpu: () => kernels('layerNorm', true, true),
  scratch: (inputs) => 16 * inputs[0].shape.at(-1)!,
  reference(inputs, attrs) {
    const { x, dy, weighted } = backwardInputs(inputs, attrs);
    const centred = x.sub(x.mean(-1, keep));
    const scale = centred.square().mean(-1, keep).add(attrs.eps).rsqrt();
    const unit = centred.mul(scale);
    const dx = weighted
      .sub(weighted.mean(-1, keep))
      .sub(unit.mul(weighted.mul(unit).mean(-1, keep)))
      .mul(scale);
    return [dx, sumRows(dy.mul(unit)), sumRows(dy)];
  },
  cost: ([x]) => ({ flops: 15 * sizeOf(x.shape) }),
});

/** The op behind `layerNorm`: inputs x, weight if `attrs.weight`, bias if `attrs.bias`. */
export const layerNormOp: Op<NormAttrs> = /* @__PURE__ */ defineOp<NormAttrs>({
  name: 'layerNorm',
  infer: (inputs) => checkNorm('layerNorm', inputs),
  cpu: layerNormCpu,
  webgpu: () => kernels('layerNorm', true, false),
  reference([x, ...vectors], { eps, weight, bias }) {
    const centred = x.sub(x.mean(-1, keep));
    let y = centred.mul(centred.square().mean(-1, keep).add(eps).rsqrt());
    if (weight) y = y.mul(vectors[0]);
    if (bias) y = y.add(vectors[weight ? 1 : 0]);
    return y;
  },
  vjp({ inputs, cotangents, attrs, needs }) {
    const [x, ...vectors] = inputs;
    const through = attrs.weight ? [x, vectors[0]] : [x];
    const [dx, dw, db] = apply(layerNormBackwardOp, [...through, cotangents[0]!], attrs) as Tensor[];
    const all = [dx, ...(attrs.weight ? [dw] : []), ...(attrs.bias ? [db] : [])];
    return all.map((g, i) => (needs[i] ? g : null));
  },
  cost: (inputs) => ({ flops: (4 + inputs.length) * sizeOf(inputs[0].shape) }),
});

const rmsNormBackwardOp: Op<NormAttrs> = /* @__PURE__ */ defineOp<NormAttrs>({
  name: 'rmsNorm.backward',
  infer(inputs) {
    const { shape, dtype } = inputs[0];
    return [
      { shape, dtype },
      { shape: shape.slice(-1), dtype },
    ];
  },
  cpu: rmsNormBackwardCpu,
  webgpu: () => kernels('rmsNorm', false, true),
  scratch: (inputs) => 8 * inputs[0].shape.at(-1)!,
  reference(inputs, attrs) {
    const { x, dy, weighted } = backwardInputs(inputs, attrs);
    const scale = x.square().mean(-1, keep).add(attrs.eps).rsqrt();
    const unit = x.mul(scale);
    const dx = weighted.sub(unit.mul(weighted.mul(unit).mean(-1, keep))).mul(scale);
    return [dx, sumRows(dy.mul(unit))];
  },
  cost: ([x]) => ({ flops: 10 * sizeOf(x.shape) }),
});

/** The op behind `rmsNorm`: inputs x, weight if `attrs.weight`. */
export const rmsNormOp: Op<NormAttrs> = /* @__PURE__ */ defineOp<NormAttrs>({
  name: 'rmsNorm',
  infer: (inputs) => checkNorm('rmsNorm', inputs),
  cpu: rmsNormCpu,
  webgpu: () => kernels('rmsNorm', false, false),
  reference([x, weight], { eps }) {
    const y = x.mul(x.square().mean(-1, keep).add(eps).rsqrt());
    return weight ? y.mul(weight) : y;
  },
  vjp({ inputs, cotangents, attrs, needs }) {
    const grads = apply(rmsNormBackwardOp, [...inputs, cotangents[0]!], attrs) as Tensor[];
    return inputs.map((_, i) => (needs[i] ? grads[i] : null));
  },
  cost: (inputs) => ({ flops: (2 + inputs.length) * sizeOf(inputs[0].shape) }),
});

/**
 * Layer normalisation over the last axis, with the biased variance.
 *
 *   y = (x − mean(x)) / √(var(x) + eps) · weight + bias
 *
 * The mean is taken off before squaring, so a large common offset costs no precision.
 * Cost: 5 flops per element, 1 more for each of weight and bias.
 *
 * @param x       [..., C]  f32 or f64
 * @param params  weight [C], bias [C], each optional
 * @returns       [..., C]
 * @throws ShapeError | DTypeError  weight or bias that do not fit; OptionError  negative eps
 * @see Ba, Kiros and Hinton 2016, arXiv:1607.06450, eq. 3
 */
export function layerNorm(
  x: Tensor,
  params: LayerNormParams = {},
  { eps = 1e-5 }: { readonly eps?: number } = {},
): Tensor {
  checkEps('layerNorm', eps);
  const { weight, bias } = params;
  const inputs = [x, ...(weight ? [weight] : []), ...(bias ? [bias] : [])];
  return apply(layerNormOp, inputs, { eps, weight: !!weight, bias: !!bias }) as Tensor;
}

/** Weight 1 and bias 0 for width C. */
export function layerNormInit(C: number, o: TensorOptions = {}): { weight: Tensor; bias: Tensor } {
  return { weight: ones([C], o), bias: zeros([C], o) };
}

/**
 * Root-mean-square normalisation over the last axis.
 *
 *   y = x / √(mean(x²) + eps) · weight
 *
 * Cost: 3 flops per element, 1 more for the weight.
 *
 * @param x       [..., C]  f32 or f64
 * @param params  weight [C], optional
 * @returns       [..., C]
 * @throws ShapeError | DTypeError  a weight that does not fit; OptionError  negative eps
 * @see Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4
 */
export function rmsNorm(
  x: Tensor,
  params: RmsNormParams = {},
  { eps = 1e-6 }: { readonly eps?: number } = {},
): Tensor {
  checkEps('rmsNorm', eps);
  const { weight } = params;
  return apply(rmsNormOp, weight ? [x, weight] : [x], { eps, weight: !!weight, bias: false }) as Tensor;
}

/** Weight 1 for width C. */
export function rmsNormInit(C: number, o: TensorOptions = {}): { weight: Tensor } {
  return { weight: ones([C], o) };
}
