import { exp as expNumber, tanh as tanhNumber } from '../cpu/exp.js';
import { erf as erfNumber, erfinv as erfinvNumber } from '../cpu/math.js';
import { apply1 } from '../engine/apply.js';
import type { Op } from '../engine/op.js';
import type { Tensor } from '../tensor.js';
import { none, unary } from './map.js';

const product = (a: number, b: number): number => a * b;

/** The op of `neg`. */
export const negOp: Op<null> = /* @__PURE__ */ unary(
  'neg',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = -x[xi];
  },
  (g) => g.neg(),
  'number',
  undefined,
  'negRow',
);
/** The op of `abs`. */
export const absOp: Op<null> = /* @__PURE__ */ unary(
  'abs',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.abs(x[xi]);
  },
  (g, x) => g.mul(x.sign()),
  'number',
  undefined,
  'absRow',
);
/** The op of `sign`. */
export const signOp: Op<null> = /* @__PURE__ */ unary(
  'sign',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.sign(x[xi]);
  },
  none,
  'number',
);
/** The op of `floor`. */
export const floorOp: Op<null> = /* @__PURE__ */ unary(
  'floor',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.floor(x[xi]);
  },
  none,
);
/** The op of `ceil`. */
export const ceilOp: Op<null> = /* @__PURE__ */ unary(
  'ceil',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.ceil(x[xi]);
  },
  none,
);
/** To the nearest integer, halves to the even one. */
export const roundOp: Op<null> = /* @__PURE__ */ unary(
  'round',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) {
      const v = x[xi];
      const r = Math.round(v);
      o[oi] = r - v === 0.5 && r % 2 !== 0 ? r - 1 : r;
    }
  },
  none,
);
/** The op of `square`. */
export const squareOp: Op<null> = /* @__PURE__ */ unary(
  'square',
  (x, xi, xs, o, oi, n) => {
    // Products of integers wrap around: their low 32 bits, which a double may have lost.
    const times = x instanceof Int32Array || x instanceof Uint32Array ? Math.imul : product;
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = times(x[xi], x[xi]);
  },
  (g, x) => g.mul(x).mul(2),
  'number',
  undefined,
  'squareRow',
);
/** The op of `reciprocal`. */
export const reciprocalOp: Op<null> = /* @__PURE__ */ unary(
  'reciprocal',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = 1 / x[xi];
  },
  (g, _x, y) => g.mul(y.square()).neg(),
  'float',
  undefined,
  'reciprocalRow',
);
/** The op of `sqrt`. */
export const sqrtOp: Op<null> = /* @__PURE__ */ unary(
  'sqrt',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.sqrt(x[xi]);
  },
  (g, _x, y) => g.div(y).mul(0.5),
  'float',
  undefined,
  'sqrtRow',
);
/** The op of `rsqrt`. */
export const rsqrtOp: Op<null> = /* @__PURE__ */ unary(
  'rsqrt',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = 1 / Math.sqrt(x[xi]);
  },
  (g, x, y) => g.mul(y).div(x).mul(-0.5),
  'float',
  undefined,
  'rsqrtRow',
);
/** The op of `exp`. */
export const expOp: Op<null> = /* @__PURE__ */ unary(
  'exp',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = expNumber(x[xi]);
  },
  (g, _x, y) => g.mul(y),
  'float',
  undefined,
  'expRow',
);
/** The op of `expm1`. */
export const expm1Op: Op<null> = /* @__PURE__ */ unary(
  'expm1',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.expm1(x[xi]);
  },
  (g, x) => g.mul(x.exp()),
);
/** The op of `log`. */
export const logOp: Op<null> = /* @__PURE__ */ unary(
  'log',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.log(x[xi]);
  },
  (g, x) => g.div(x),
  'float',
  undefined,
  'logRow',
);
/** The op of `log1p`. */
export const log1pOp: Op<null> = /* @__PURE__ */ unary(
  'log1p',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.log1p(x[xi]);
  },
  (g, x) => g.div(x.add(1)),
);
/** The op of `sin`. */
export const sinOp: Op<null> = /* @__PURE__ */ unary(
  'sin',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.sin(x[xi]);
  },
  (g, x) => g.mul(x.cos()),
);
/** The op of `cos`. */
export const cosOp: Op<null> = /* @__PURE__ */ unary(
  'cos',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.cos(x[xi]);
  },
  (g, x) => g.mul(x.sin()).neg(),
);
/** The op of `tan`. */
export const tanOp: Op<null> = /* @__PURE__ */ unary(
  'tan',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.tan(x[xi]);
  },
  (g, _x, y) => g.mul(y.square().add(1)),
);
/** The op of `tanh`. */
export const tanhOp: Op<null> = /* @__PURE__ */ unary(
  'tanh',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = tanhNumber(x[xi]);
  },
  (g, _x, y) => g.sub(g.mul(y.square())),
  'float',
  undefined,
  'tanhRow',
);
/** The op of `erf`. */
export const erfOp: Op<null> = /* @__PURE__ */ unary(
  'erf',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = erfNumber(x[xi]);
  },
  (g, x) => g.mul(x.square().neg().exp()).mul(2 / Math.sqrt(Math.PI)),
  'float',
  undefined,
  'erfRow',
);
/** Inverse of the error function: an approximation of Winitzki refined by Halley steps. */
export const erfinvOp: Op<null> = /* @__PURE__ */ unary(
  'erfinv',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = erfinvNumber(x[xi]);
  },
  (g, _x, y) => g.mul(y.square().exp()).mul(Math.sqrt(Math.PI) / 2),
);
/** The op of `isNaN`. */
export const isNaNOp: Op<null> = /* @__PURE__ */ unary(
  'isNaN',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi] !== x[xi] ? 1 : 0;
  },
  none,
  'float',
  'bool',
);
/** The op of `isFinite`. */
export const isFiniteOp: Op<null> = /* @__PURE__ */ unary(
  'isFinite',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Number.isFinite(x[xi]) ? 1 : 0;
  },
  none,
  'float',
  'bool',
);

/** −x. */
export function neg(x: Tensor): Tensor {
  return apply1(negOp, [x], null);
}
/** |x|; gradient 0 at 0. */
export function abs(x: Tensor): Tensor {
  return apply1(absOp, [x], null);
}
/** −1, 0 or 1. */
export function sign(x: Tensor): Tensor {
  return apply1(signOp, [x], null);
}
/** Largest integer not above x. */
export function floor(x: Tensor): Tensor {
  return apply1(floorOp, [x], null);
}
/** Smallest integer not below x. */
export function ceil(x: Tensor): Tensor {
  return apply1(ceilOp, [x], null);
}
/** Nearest integer, halves to even. */
export function round(x: Tensor): Tensor {
  return apply1(roundOp, [x], null);
}
/** x². */
export function square(x: Tensor): Tensor {
  return apply1(squareOp, [x], null);
}
/** 1 / x. */
export function reciprocal(x: Tensor): Tensor {
  return apply1(reciprocalOp, [x], null);
}
/** √x. */
export function sqrt(x: Tensor): Tensor {
  return apply1(sqrtOp, [x], null);
}
/** 1 / √x. */
export function rsqrt(x: Tensor): Tensor {
  return apply1(rsqrtOp, [x], null);
}
/** eˣ. */
export function exp(x: Tensor): Tensor {
  return apply1(expOp, [x], null);
}
/** eˣ − 1, exact near 0. */
export function expm1(x: Tensor): Tensor {
  return apply1(expm1Op, [x], null);
}
/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return apply1(logOp, [x], null);
}
/** log(1 + x), exact near 0. */
export function log1p(x: Tensor): Tensor {
  return apply1(log1pOp, [x], null);
}
/** Sine, radians. */
export function sin(x: Tensor): Tensor {
  return apply1(sinOp, [x], null);
}
/** Cosine, radians. */
export function cos(x: Tensor): Tensor {
  return apply1(cosOp, [x], null);
}
/** Tangent, radians. */
export function tan(x: Tensor): Tensor {
  return apply1(tanOp, [x], null);
}
/** Hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return apply1(tanhOp, [x], null);
}
/** Error function 2/√π ∫₀ˣ e^{−t²} dt. */
export function erf(x: Tensor): Tensor {
  return apply1(erfOp, [x], null);
}
/** The number whose error function is x, for −1 ≤ x ≤ 1. */
export function erfinv(x: Tensor): Tensor {
  return apply1(erfinvOp, [x], null);
}
/** True where x is NaN. */
export function isNaN(x: Tensor): Tensor {
  return apply1(isNaNOp, [x], null);
}
/** True where x is neither NaN nor infinite. */
export function isFinite(x: Tensor): Tensor {
  return apply1(isFiniteOp, [x], null);
}
