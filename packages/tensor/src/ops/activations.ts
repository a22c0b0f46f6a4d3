import { sigmoid as sigmoidNumber, tanh as tanhNumber } from '../cpu/exp.js';
import { erf as erfNumber, softplus as softplusNumber } from '../cpu/math.js';
import { apply1 } from '../engine/apply.js';
import type { Op } from '../engine/op.js';
import type { Tensor } from '../tensor.js';
import { unary } from './map.js';

/** The op of `sigmoid`. */
export const sigmoidOp: Op<null> = /* @__PURE__ */ unary(
  'sigmoid',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = sigmoidNumber(x[xi]);
  },
  (g, _x, y) => g.mul(y).mul(y.mul(-1).add(1)),
  'float',
  undefined,
  'sigmoidRow',
);
/** The op of `relu`. */
export const reluOp: Op<null> = /* @__PURE__ */ unary(
  'relu',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.max(x[xi], 0);
  },
  (g, x) => x.gt(0).where(g, 0),
  'number',
  undefined,
  'reluRow',
);
/** The op of `softplus`. */
export const softplusOp: Op<null> = /* @__PURE__ */ unary(
  'softplus',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = softplusNumber(x[xi]);
  },
  (g, x) => g.mul(x.sigmoid()),
  'float',
  undefined,
  'softplusRow',
);
/** The op of `logSigmoid`. */
export const logSigmoidOp: Op<null> = /* @__PURE__ */ unary(
  'logSigmoid',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = -softplusNumber(-x[xi]);
  },
  (g, x) => g.mul(x.neg().sigmoid()),
  'float',
  undefined,
  'logSigmoidRow',
);
/** The op of `silu`. */
export const siluOp: Op<null> = /* @__PURE__ */ unary(
  'silu',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) {
      const v = x[xi];
      o[oi] = v * sigmoidNumber(v);
    }
  },
  (g, x, y) => {
    const s = x.sigmoid();
    return g.mul(s.add(y.mul(s.mul(-1).add(1))));
  },
  'float',
  undefined,
  'siluRow',
);
/** The op of `gelu`. */
export const geluOp: Op<null> = /* @__PURE__ */ unary(
  'gelu',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) {
      const v = x[xi];
      o[oi] = 0.5 * v * (1 + erfNumber(v * Math.SQRT1_2));
    }
  },
  (g, x) => {
    const cdf = x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
    const pdf = x
      .square()
      .mul(-0.5)
      .exp()
      .mul(1 / Math.sqrt(2 * Math.PI));
    return g.mul(cdf.add(x.mul(pdf)));
  },
  'float',
  undefined,
  'geluRow',
);
const geluC = Math.sqrt(2 / Math.PI);
/** The op of `geluTanh`. */
export const geluTanhOp: Op<null> = /* @__PURE__ */ unary(
  'geluTanh',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) {
      const v = x[xi];
      o[oi] = 0.5 * v * (1 + tanhNumber(geluC * (v + 0.044715 * v * v * v)));
    }
  },
  (g, x) => {
    const x2 = x.square();
    const t = x.mul(x2.mul(0.044715 * geluC).add(geluC)).tanh();
    const dt = t
      .square()
      .mul(-1)
      .add(1)
      .mul(x2.mul(3 * 0.044715 * geluC).add(geluC));
    return g.mul(t.add(1).add(x.mul(dt)).mul(0.5));
  },
  'float',
  undefined,
  'geluTanhRow',
);
/** The op of `elu`. */
export const eluOp: Op<null> = /* @__PURE__ */ unary(
  'elu',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi] > 0 ? x[xi] : Math.expm1(x[xi]);
  },
  (g, x, y) => x.gt(0).where(g, g.mul(y.add(1))),
);
/** The op of `mish`. */
export const mishOp: Op<null> = /* @__PURE__ */ unary(
  'mish',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi] * tanhNumber(softplusNumber(x[xi]));
  },
  (g, x) => {
    const t = x.softplus().tanh();
    return g.mul(t.add(x.mul(x.sigmoid()).mul(t.square().mul(-1).add(1))));
  },
);

/** max(x, 0). */
export function relu(x: Tensor): Tensor {
  return apply1(reluOp, [x], null);
}
/** log(1 + eˣ), exact everywhere. */
export function softplus(x: Tensor): Tensor {
  return apply1(softplusOp, [x], null);
}
/** log σ(x) = −softplus(−x). */
export function logSigmoid(x: Tensor): Tensor {
  return apply1(logSigmoidOp, [x], null);
}
/** x σ(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return apply1(siluOp, [x], null);
}
/** x Φ(x) with the exact normal distribution function (Hendrycks & Gimpel 2016, arXiv:1606.08415). */
export function gelu(x: Tensor): Tensor {
  return apply1(geluOp, [x], null);
}
/** The tanh approximation of GELU used by GPT-2: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
export function geluTanh(x: Tensor): Tensor {
  return apply1(geluTanhOp, [x], null);
}
/** x above 0, eˣ − 1 below. */
export function elu(x: Tensor): Tensor {
  return apply1(eluOp, [x], null);
}
/** x tanh(softplus(x)). */
export function mish(x: Tensor): Tensor {
  return apply1(mishOp, [x], null);
}
/** 1 / (1 + e⁻ˣ). */
export function sigmoid(x: Tensor): Tensor {
  return apply1(sigmoidOp, [x], null);
}
