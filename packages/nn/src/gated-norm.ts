import {
  apply,
  defineOp,
  DTypeError,
  OptionError,
  ShapeError,
  show,
  sigmoid,
  silu,
  sizeOf,
} from '@seq/tensor';
import type { Aval, Op, Tensor } from '@seq/tensor';
import type { GpuKernels } from '@seq/tensor/engine';
import { lazyKernels } from '@seq/tensor/engine';
import { rmsNormGatedBackwardCpu, rmsNormGatedCpu } from './gated-norm-kernels.js';
import type { GatedNormAttrs } from './gated-norm-kernels.js';

const gpu = /* @__PURE__ */ lazyKernels('rmsNormGated', () => import('./norm-webgpu.js'));

/** Parameters of `rmsNormGated`. */
export type RmsNormGatedParams = {
  /** [C] */
  weight?: Tensor;
  /** [C] */
  bias?: Tensor;
};

/** Options of `rmsNormGated`. */
export interface RmsNormGatedOptions {
  readonly eps?: number;
  /** Channels that are normalised together; all C unless told otherwise. */
  readonly groupSize?: number;
  /** True: the gate acts on what is normalised already. False: the gated input is normalised. */
  readonly normBeforeGate?: boolean;
  /** g */
  readonly gate?: 'silu' | 'sigmoid';
}

const where = 'rmsNormGated';
const keep = { keepDims: true };

/** Kernels for WebGPU of the norm or its gradient. */
const kernels = (backward: boolean): GpuKernels<GatedNormAttrs> =>
  gpu().normKernels(({ attrs: { eps, groupSize, normBeforeGate, silu, weight, bias } }) => {
    const gate = { silu, before: !normBeforeGate };
    return { kind: { name: where, centre: false, gate, weight, bias }, eps, size: groupSize };
  }, backward);

function infer([x, z, ...vectors]: readonly Aval[]): Aval {
  const { shape, dtype } = x;
  const C = shape[shape.length - 1];
  if (C === undefined) throw new ShapeError(`${where}: x must be [..., C], got the scalar [].`);
  if (z.shape.length !== shape.length || z.shape.some((d, i) => d !== shape[i])) {
    throw new ShapeError(`${where}: z must have the shape of x, ${show(shape)}, got ${show(z.shape)}.`);
  }
  for (const v of vectors) {
    if (v.shape.length === 1 && v.shape[0] === C) continue;
    throw new ShapeError(
      `${where}: weight and bias must be [C] = [${C}], got ${show(v.shape)}; x is ${show(shape)}.`,
    );
  }
  if (dtype !== 'f32' && dtype !== 'f64') {
    throw new DTypeError(`${where}: x must be f32 or f64, got ${dtype}. Cast it first.`);
  }
  for (const v of [z, ...vectors]) {
    if (v.dtype === dtype) continue;
    throw new DTypeError(`${where}: z, weight and bias must have the dtype of x, ${dtype}, got ${v.dtype}.`);
  }
  return { shape, dtype };
}

/** [..., C] → [..., C/groupSize, groupSize] */
function grouped(t: Tensor, { groupSize }: GatedNormAttrs): Tensor {
  return t.reshape([...t.shape.slice(0, -1), t.shape[t.ndim - 1] / groupSize, groupSize]);
}

/** What comes in, by name, and 1/rms of each group. */
function named(inputs: readonly Tensor[], attrs: GatedNormAttrs) {
  const [x, z] = inputs;
  const weight = attrs.weight ? inputs[2] : undefined;
  const bias = attrs.bias ? inputs[attrs.weight ? 3 : 2] : undefined;
  const g = attrs.silu ? silu(z) : sigmoid(z);
  const parts = grouped(attrs.normBeforeGate ? x : x.mul(g), attrs);
  const scale = parts.square().mean(-1, keep).add(attrs.eps).rsqrt();
  return { x, z, weight, bias, g, scale, unit: parts.mul(scale).reshape(x.shape) };
}

/** Sum over all axes but the last. */
function sumRows(t: Tensor): Tensor {
  return t.reshape([sizeOf(t.shape.slice(0, -1)), t.shape[t.ndim - 1]]).sum(0);
}

const backwardOp: Op<GatedNormAttrs> = /* @__PURE__ */ defineOp<GatedNormAttrs>({
  name: 'rmsNormGated.backward',
  infer(inputs) {
    const { shape, dtype } = inputs[0];
    const vector = { shape: shape.slice(-1), dtype };
    return [{ shape, dtype }, { shape, dtype }, vector, vector];
  },
  cpu: rmsNormGatedBackwardCpu,
  webgpu: () => kernels(true),
  scratch: (inputs) => 16 * inputs[0].shape.at(-1)!,
  reference(inputs, attrs) {
    const { x, z, weight, bias, g, scale, unit } = named(inputs, attrs);
    const dy = inputs[inputs.length - 1];
    const s = sigmoid(z);
    const slope = s.mul(s.mul(-1).add(1)); // σ'
    const dg = attrs.silu ? s.add(z.mul(slope)) : slope;
    const d = attrs.normBeforeGate ? dy.mul(g) : dy;
    const weighted = weight ? d.mul(weight) : d;
    const dot = grouped(weighted.mul(unit), attrs).mean(-1, keep);
    const inner = grouped(weighted, attrs).sub(grouped(unit, attrs).mul(dot)).mul(scale).reshape(x.shape);
    const vectors = [sumRows(d.mul(unit)), sumRows(d)];
    if (!attrs.normBeforeGate) return [inner.mul(g), inner.mul(x).mul(dg), ...vectors];
    let before = weight ? unit.mul(weight) : unit;
    if (bias) before = before.add(bias);
    return [inner, dy.mul(before).mul(dg), ...vectors];
  },
  cost: ([x]) => ({ flops: 22 * sizeOf(x.shape) }),
});

/** The op behind `rmsNormGated`: inputs x, z, weight if `attrs.weight`, bias if `attrs.bias`. */
export const rmsNormGatedOp: Op<GatedNormAttrs> = /* @__PURE__ */ defineOp<GatedNormAttrs>({
  name: where,
  infer,
  cpu: rmsNormGatedCpu,
  webgpu: () => kernels(false),
  reference(inputs, attrs) {
    const { weight, bias, g, unit } = named(inputs, attrs);
    let y = weight ? unit.mul(weight) : unit;
    if (bias) y = y.add(bias);
    return attrs.normBeforeGate ? y.mul(g) : y;
  },
  vjp({ inputs, cotangents, attrs, needs }) {
    const [dx, dz, dw, db] = apply(backwardOp, [...inputs, cotangents[0]!], attrs) as Tensor[];
    const all = [dx, dz, ...(attrs.weight ? [dw] : []), ...(attrs.bias ? [db] : [])];
    return all.map((gradient, i) => (needs[i] ? gradient : null));
  },
  cost: (inputs) => ({ flops: (3 + inputs.length) * sizeOf(inputs[0].shape) }),
});

/**
 * Root-mean-square normalisation with an output gate, as Mamba-2 and the gated delta rule end with.
 *
 *   norm before gate:  y = (x / √(mean(x²) + eps) · weight + bias) ∘ g(z)
 *   gate before norm:  y = v / √(mean(v²) + eps) · weight + bias,   v = x ∘ g(z)
 *
 * The mean is over each group of `groupSize` channels; weight and bias act on channels, whatever the groups.
 * Cost: 5 flops per element, 1 more for each of weight and bias.
 *
 * @param x       [..., C]  f32 or f64
 * @param z       [..., C]  gate before its nonlinearity; −∞ closes it
 * @param params  weight [C], bias [C], each optional
 * @returns       [..., C]
 * @throws ShapeError | DTypeError  z, weight or bias that do not fit
 * @throws OptionError  negative eps, a groupSize that does not divide C, an unknown gate
 * @see Dao and Gu 2024, arXiv:2405.21060, section 7.1 (gate before norm); Yang et al. 2024, arXiv:2412.06464, section 3.4 (norm before gate)
 */
export function rmsNormGated(
  x: Tensor,
  z: Tensor,
  params: RmsNormGatedParams = {},
  { eps = 1e-6, groupSize, normBeforeGate = true, gate = 'silu' }: RmsNormGatedOptions = {},
): Tensor {
  if (!(eps >= 0)) throw new OptionError(`${where}: eps must not be negative, got ${eps}.`);
  if (gate !== 'silu' && gate !== 'sigmoid') {
    throw new OptionError(`${where}: gate must be 'silu' or 'sigmoid', got '${String(gate)}'.`);
  }
  const C = x.shape[x.ndim - 1] ?? 1;
  const size = groupSize ?? Math.max(C, 1);
  if (!Number.isInteger(size) || size < 1 || C % size !== 0) {
    throw new OptionError(`${where}: groupSize must divide the channels C = ${C}, got ${size}.`);
  }
  const { weight, bias } = params;
  const inputs = [x, z, ...(weight ? [weight] : []), ...(bias ? [bias] : [])];
  return apply(rmsNormGatedOp, inputs, {
    eps,
    groupSize: size,
    normBeforeGate,
    silu: gate === 'silu',
    weight: !!weight,
    bias: !!bias,
  }) as Tensor;
}
