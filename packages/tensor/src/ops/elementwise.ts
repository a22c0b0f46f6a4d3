import type { Tensor } from '../tensor.js';
import { erf as erfNumber, erfinv as erfinvNumber, softplus as softplusNumber } from '../cpu/math.js';
import { eachRow, rowsOf } from '../cpu/rows.js';
import { apply1, elements } from '../engine/apply.js';
import type { Aval, DType, TypedArray } from '../engine/dtype.js';
import { isFloat } from '../engine/dtype.js';
import { DTypeError } from '../engine/errors.js';
import { broadcastShapes } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { defineOp } from '../engine/op.js';

type A = TypedArray;
type Loop1 = (x: A, xi: number, xs: number, o: A, oi: number, n: number) => void;
type Loop2 = (a: A, ai: number, as: number, b: A, bi: number, bs: number, o: A, oi: number, n: number) => void;
type Kinds = 'float' | 'number' | 'bool' | 'any';

function checkKind(name: string, dtype: DType, kinds: Kinds): void {
  const ok =
    dtype === 'f16'
      ? false
      : kinds === 'any' || (kinds === 'bool' ? dtype === 'bool' : kinds === 'float' ? isFloat(dtype) : dtype !== 'bool');
  if (ok) return;
  const want = kinds === 'float' ? 'f32 or f64' : kinds === 'bool' ? 'bool' : kinds === 'number' ? 'a number type' : 'any type but f16';
  throw new DTypeError(
    `${name}: the element type must be ${want}, got ${dtype}. Use cast() first${dtype === 'f16' ? ': f16 is a storage type' : ''}.`,
  );
}

const perElement = (_: readonly Aval[], outputs: readonly Aval[]): { flops: number } => ({
  flops: elements(outputs),
});

/** An op that maps one tensor element by element. */
function unary(
  name: string,
  loop: Loop1,
  vjp: (g: Tensor, x: Tensor, y: Tensor) => Tensor | null,
  kinds: Kinds = 'float',
  out?: DType,
): Op<null> {
  return defineOp<null>({
    name,
    strided: true,
    inplace: out === undefined ? [0] : [],
    infer([x]) {
      checkKind(name, x!.dtype, kinds);
      return { shape: x!.shape, dtype: out ?? x!.dtype };
    },
    cpu(call) {
      const [x, o] = [call.inputs[0]!, call.outputs[0]!];
      const rows = rowsOf(call);
      const step = rows.step[1]!;
      eachRow(rows, [o.offset, x.offset], (oi, xi) => loop(x.data, xi, step, o.data, oi, rows.n));
    },
    vjp: ({ inputs, outputs, cotangents }) => [vjp(cotangents[0]!, inputs[0]!, outputs[0]!)],
    cost: perElement,
  });
}

/** An op of two tensors that broadcast. */
function binary(
  name: string,
  loop: Loop2,
  vjp: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => [() => Tensor | null, () => Tensor | null],
  kinds: Kinds = 'number',
  out?: DType,
  intLoop?: Loop2,
): Op<null> {
  return defineOp<null>({
    name,
    strided: true,
    inplace: out === undefined ? [0, 1] : [],
    infer([a, b]) {
      if (a!.dtype !== b!.dtype) {
        throw new DTypeError(
          `${name}: element types must agree, got ${a!.dtype} and ${b!.dtype}. Use cast() on one of them.`,
        );
      }
      checkKind(name, a!.dtype, kinds);
      return { shape: broadcastShapes(name, a!.shape, b!.shape), dtype: out ?? a!.dtype };
    },
    cpu(call) {
      const [a, b] = [call.inputs[0]!, call.inputs[1]!];
      const o = call.outputs[0]!;
      const rows = rowsOf(call);
      const [, as, bs] = rows.step as [number, number, number];
      const f = intLoop !== undefined && !(a.data instanceof Float32Array || a.data instanceof Float64Array) ? intLoop : loop;
      eachRow(rows, [o.offset, a.offset, b.offset], (oi, ai, bi) =>
        f(a.data, ai, as, b.data, bi, bs, o.data, oi, rows.n),
      );
    },
    vjp({ inputs, outputs, cotangents, needs }) {
      const [a, b] = [inputs[0]!, inputs[1]!];
      const rules = vjp(cotangents[0]!, a, b, outputs[0]!);
      return [a, b].map((x, i) => (needs[i] ? (rules[i]!()?.sumTo(x.shape) ?? null) : null));
    },
    cost: perElement,
  });
}

const none = (): null => null;

// ---- arithmetic ------------------------------------------------------------------------------------------------

export const addOp: Op<null> = binary(
  'add',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! + b[bi]!;
  },
  (g) => [() => g, () => g],
);
export const subOp: Op<null> = binary(
  'sub',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! - b[bi]!;
  },
  (g) => [() => g, () => g.neg()],
);
export const mulOp: Op<null> = binary(
  'mul',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! * b[bi]!;
  },
  (g, a, b) => [() => g.mul(b), () => g.mul(a)],
  'number',
  undefined,
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = Math.imul(a[ai]!, b[bi]!);
  },
);
export const divOp: Op<null> = binary(
  'div',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! / b[bi]!;
  },
  (g, _a, b, y) => [() => g.div(b), () => g.mul(y).div(b).neg()],
);
export const powOp: Op<null> = binary(
  'pow',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! ** b[bi]!;
  },
  (g, a, b, y) => [
    () => b.eq(0).where(0, g.mul(b).mul(a.pow(b.sub(1)))),
    () => a.gt(0).where(g.mul(y).mul(a.gt(0).where(a, 1).log()), 0),
  ],
  'float',
);
/** Remainder with the sign of the divisor. */
export const modOp: Op<null> = binary(
  'mod',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) {
      const r = a[ai]! % b[bi]!;
      o[oi] = r !== 0 && r < 0 !== b[bi]! < 0 ? r + b[bi]! : r;
    }
  },
  (g, a, b) => [() => g, () => g.mul(a.div(b).floor()).neg()],
);
export const maximumOp: Op<null> = binary(
  'maximum',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = Math.max(a[ai]!, b[bi]!);
  },
  (g, a, b) => [() => a.ge(b).where(g, 0), () => a.ge(b).where(0, g)],
);
export const minimumOp: Op<null> = binary(
  'minimum',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = Math.min(a[ai]!, b[bi]!);
  },
  (g, a, b) => [() => a.le(b).where(g, 0), () => a.le(b).where(0, g)],
);

// ---- comparison and logic --------------------------------------------------------------------------------------

const flag = (name: string, loop: Loop2, kinds: Kinds = 'any'): Op<null> =>
  binary(name, loop, () => [none, none], kinds, 'bool');

export const eqOp: Op<null> = flag('eq', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] === b[bi] ? 1 : 0;
});
export const neOp: Op<null> = flag('ne', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai] !== b[bi] ? 1 : 0;
});
export const ltOp: Op<null> = flag('lt', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! < b[bi]! ? 1 : 0;
});
export const leOp: Op<null> = flag('le', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! <= b[bi]! ? 1 : 0;
});
export const gtOp: Op<null> = flag('gt', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! > b[bi]! ? 1 : 0;
});
export const geOp: Op<null> = flag('ge', (a, ai, as, b, bi, bs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! >= b[bi]! ? 1 : 0;
});
export const andOp: Op<null> = flag(
  'and',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! & b[bi]!;
  },
  'bool',
);
export const orOp: Op<null> = flag(
  'or',
  (a, ai, as, b, bi, bs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, ai += as, bi += bs) o[oi] = a[ai]! | b[bi]!;
  },
  'bool',
);
export const notOp: Op<null> = unary(
  'not',
  (x, xi, xs, o, oi, n) => {
    for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi]! ^ 1;
  },
  none,
  'bool',
);

/** cond ? a : b, element by element. */
export const whereOp: Op<null> = defineOp<null>({
  name: 'where',
  strided: true,
  infer([c, a, b]) {
    if (c!.dtype !== 'bool') {
      throw new DTypeError(`where: the condition must be bool, got ${c!.dtype}. Compare it, as in x.gt(0).`);
    }
    if (a!.dtype !== b!.dtype) {
      throw new DTypeError(`where: element types must agree, got ${a!.dtype} and ${b!.dtype}. Use cast() on one of them.`);
    }
    const shape = broadcastShapes('where', broadcastShapes('where', a!.shape, b!.shape), c!.shape);
    return { shape, dtype: a!.dtype };
  },
  cpu(call) {
    const [c, a, b] = [call.inputs[0]!, call.inputs[1]!, call.inputs[2]!];
    const o = call.outputs[0]!;
    const rows = rowsOf(call);
    const [, cs, as, bs] = rows.step as [number, number, number, number];
    const [cd, ad, bd, od, n] = [c.data, a.data, b.data, o.data, rows.n];
    eachRow(rows, [o.offset, c.offset, a.offset, b.offset], (oi, ci, ai, bi) => {
      for (const e = oi + n; oi < e; oi++, ci += cs, ai += as, bi += bs) {
        od[oi] = cd[ci] !== 0 ? ad[ai]! : bd[bi]!;
      }
    });
  },
  vjp({ inputs, cotangents, needs }) {
    const [c, a, b] = [inputs[0]!, inputs[1]!, inputs[2]!];
    const g = cotangents[0]!;
    return [
      null,
      needs[1] ? c.where(g, 0).sumTo(a.shape) : null,
      needs[2] ? c.where(0, g).sumTo(b.shape) : null,
    ];
  },
  cost: perElement,
});

// ---- functions of one tensor -----------------------------------------------------------------------------------

export const negOp: Op<null> = unary('neg', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = -x[xi]!;
}, (g) => g.neg(), 'number');
export const absOp: Op<null> = unary('abs', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.abs(x[xi]!);
}, (g, x) => g.mul(x.sign()), 'number');
export const signOp: Op<null> = unary('sign', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.sign(x[xi]!);
}, none, 'number');
export const floorOp: Op<null> = unary('floor', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.floor(x[xi]!);
}, none);
export const ceilOp: Op<null> = unary('ceil', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.ceil(x[xi]!);
}, none);
/** To the nearest integer, halves to the even one. */
export const roundOp: Op<null> = unary('round', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) {
    const v = x[xi]!;
    const r = Math.round(v);
    o[oi] = r - v === 0.5 && r % 2 !== 0 ? r - 1 : r;
  }
}, none);
export const squareOp: Op<null> = unary('square', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi]! * x[xi]!;
}, (g, x) => g.mul(x).mul(2), 'number');
export const reciprocalOp: Op<null> = unary('reciprocal', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = 1 / x[xi]!;
}, (g, _x, y) => g.mul(y.square()).neg());
export const sqrtOp: Op<null> = unary('sqrt', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.sqrt(x[xi]!);
}, (g, _x, y) => g.div(y).mul(0.5));
export const rsqrtOp: Op<null> = unary('rsqrt', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = 1 / Math.sqrt(x[xi]!);
}, (g, x, y) => g.mul(y).div(x).mul(-0.5));
export const expOp: Op<null> = unary('exp', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.exp(x[xi]!);
}, (g, _x, y) => g.mul(y));
export const expm1Op: Op<null> = unary('expm1', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.expm1(x[xi]!);
}, (g, x) => g.mul(x.exp()));
export const logOp: Op<null> = unary('log', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.log(x[xi]!);
}, (g, x) => g.div(x));
export const log1pOp: Op<null> = unary('log1p', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.log1p(x[xi]!);
}, (g, x) => g.div(x.add(1)));
export const sinOp: Op<null> = unary('sin', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.sin(x[xi]!);
}, (g, x) => g.mul(x.cos()));
export const cosOp: Op<null> = unary('cos', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.cos(x[xi]!);
}, (g, x) => g.mul(x.sin()).neg());
export const tanOp: Op<null> = unary('tan', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.tan(x[xi]!);
}, (g, _x, y) => g.mul(y.square().add(1)));
export const tanhOp: Op<null> = unary('tanh', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.tanh(x[xi]!);
}, (g, _x, y) => g.sub(g.mul(y.square())));
export const sigmoidOp: Op<null> = unary('sigmoid', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = 1 / (1 + Math.exp(-x[xi]!));
}, (g, _x, y) => g.mul(y).mul(y.mul(-1).add(1)));
export const erfOp: Op<null> = unary('erf', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = erfNumber(x[xi]!);
}, (g, x) => g.mul(x.square().neg().exp()).mul(2 / Math.sqrt(Math.PI)));
/** Inverse of the error function: an approximation of Winitzki refined by Newton steps. */
export const erfinvOp: Op<null> = unary('erfinv', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = erfinvNumber(x[xi]!);
}, (g, _x, y) => g.mul(y.square().exp()).mul(Math.sqrt(Math.PI) / 2));
export const reluOp: Op<null> = unary('relu', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Math.max(x[xi]!, 0);
}, (g, x) => x.gt(0).where(g, 0), 'number');
export const softplusOp: Op<null> = unary('softplus', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = softplusNumber(x[xi]!);
}, (g, x) => g.mul(x.sigmoid()));
export const logSigmoidOp: Op<null> = unary('logSigmoid', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = -softplusNumber(-x[xi]!);
}, (g, x) => g.mul(x.neg().sigmoid()));
export const siluOp: Op<null> = unary('silu', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) {
    const v = x[xi]!;
    o[oi] = v / (1 + Math.exp(-v));
  }
}, (g, x, y) => {
  const s = x.sigmoid();
  return g.mul(s.add(y.mul(s.mul(-1).add(1))));
});
export const geluOp: Op<null> = unary('gelu', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) {
    const v = x[xi]!;
    o[oi] = 0.5 * v * (1 + erfNumber(v * Math.SQRT1_2));
  }
}, (g, x) => {
  const cdf = x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
  const pdf = x.square().mul(-0.5).exp().mul(1 / Math.sqrt(2 * Math.PI));
  return g.mul(cdf.add(x.mul(pdf)));
});
const geluC = Math.sqrt(2 / Math.PI);
export const geluTanhOp: Op<null> = unary('geluTanh', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) {
    const v = x[xi]!;
    o[oi] = 0.5 * v * (1 + Math.tanh(geluC * (v + 0.044715 * v * v * v)));
  }
}, (g, x) => {
  const x2 = x.square();
  const t = x.mul(x2.mul(0.044715 * geluC).add(geluC)).tanh();
  const dt = t.square().mul(-1).add(1).mul(x2.mul(3 * 0.044715 * geluC).add(geluC));
  return g.mul(t.add(1).add(x.mul(dt)).mul(0.5));
});
export const eluOp: Op<null> = unary('elu', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi]! > 0 ? x[xi]! : Math.expm1(x[xi]!);
}, (g, x, y) => x.gt(0).where(g, g.mul(y.add(1))));
export const mishOp: Op<null> = unary('mish', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi]! * Math.tanh(softplusNumber(x[xi]!));
}, (g, x) => {
  const t = x.softplus().tanh();
  return g.mul(t.add(x.mul(x.sigmoid()).mul(t.square().mul(-1).add(1))));
});
export const isNaNOp: Op<null> = unary('isNaN', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = x[xi] !== x[xi] ? 1 : 0;
}, none, 'float', 'bool');
export const isFiniteOp: Op<null> = unary('isFinite', (x, xi, xs, o, oi, n) => {
  for (const e = oi + n; oi < e; oi++, xi += xs) o[oi] = Number.isFinite(x[xi]!) ? 1 : 0;
}, none, 'float', 'bool');

// ---- element types ---------------------------------------------------------------------------------------------

const f32Bits = new Float32Array(1);
const u32Bits = new Uint32Array(f32Bits.buffer);

/** Half-precision bits nearest to a number, ties to even, overflow to infinity. */
export function toHalf(value: number): number {
  f32Bits[0] = value;
  const bits = u32Bits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  let mantissa = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  const e = exponent - 112;
  if (e >= 31) return sign | 0x7c00;
  if (e <= 0) {
    if (e < -10) return sign;
    mantissa |= 0x800000;
    const shift = 14 - e;
    const half = 1 << (shift - 1);
    const kept = mantissa >>> shift;
    const rest = mantissa & ((1 << shift) - 1);
    return sign | (kept + (rest > half || (rest === half && kept & 1) ? 1 : 0));
  }
  const kept = (e << 10) | (mantissa >>> 13);
  const rest = mantissa & 0x1fff;
  return sign | (kept + (rest > 0x1000 || (rest === 0x1000 && kept & 1) ? 1 : 0));
}

/** The number that half-precision bits stand for. */
export function fromHalf(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

export const castOp: Op<{ readonly dtype: DType; readonly from: DType }> = defineOp<{
  readonly dtype: DType;
  readonly from: DType;
}>({
  name: 'cast',
  strided: true,
  infer: ([x], { dtype }) => ({ shape: x!.shape, dtype }),
  cpu(call) {
    const { dtype, from } = call.attrs;
    const [x, o] = [call.inputs[0]!, call.outputs[0]!];
    const rows = rowsOf(call);
    const [xd, od, n, xs] = [x.data, o.data, rows.n, rows.step[1]!];
    const read = from === 'f16' ? fromHalf : (v: number): number => v;
    const write =
      dtype === 'f16' ? toHalf : dtype === 'bool' ? (v: number): number => (v !== 0 ? 1 : 0) : (v: number): number => v;
    const plain = from !== 'f16' && dtype !== 'f16' && dtype !== 'bool';
    eachRow(rows, [o.offset, x.offset], (oi, xi) => {
      if (plain) for (const e = oi + n; oi < e; oi++, xi += xs) od[oi] = xd[xi]!;
      else for (const e = oi + n; oi < e; oi++, xi += xs) od[oi] = write(read(xd[xi]!));
    });
  },
  vjp({ inputs, cotangents }) {
    return [isFloat(inputs[0]!.dtype) ? cotangents[0]!.cast(inputs[0]!.dtype) : null];
  },
  cost: () => ({ flops: 0 }),
});

// ---- functions -------------------------------------------------------------------------------------------------

/** A tensor or a number; a number takes the element type of the other operand. */
export type Operand = Tensor | number;

function pair(op: Op<null>, a: Operand, b: Operand): Tensor {
  return temporaries(() => {
    if (typeof a === 'number') {
      if (typeof b === 'number') throw new DTypeError(`${op.name}: one operand must be a tensor, got two numbers. Use tensor(${a}).`);
      return apply1(op, [b.scalar(a), b], null);
    }
    return apply1(op, [a, typeof b === 'number' ? a.scalar(b) : b], null);
  });
}

/** a + b. Shapes broadcast; element types must agree. */
export function add(a: Operand, b: Operand): Tensor { return pair(addOp, a, b); }
/** a − b. */
export function sub(a: Operand, b: Operand): Tensor { return pair(subOp, a, b); }
/** a · b, element by element. */
export function mul(a: Operand, b: Operand): Tensor { return pair(mulOp, a, b); }
/** a / b; integers are truncated towards zero. */
export function div(a: Operand, b: Operand): Tensor { return pair(divOp, a, b); }
/** a to the power b (floats). */
export function pow(a: Operand, b: Operand): Tensor { return pair(powOp, a, b); }
/** Remainder with the sign of b. */
export function mod(a: Operand, b: Operand): Tensor { return pair(modOp, a, b); }
/** The larger of a and b; the gradient of a tie goes to a. */
export function maximum(a: Operand, b: Operand): Tensor { return pair(maximumOp, a, b); }
/** The smaller of a and b; the gradient of a tie goes to a. */
export function minimum(a: Operand, b: Operand): Tensor { return pair(minimumOp, a, b); }
/** a = b → bool. */
export function eq(a: Operand, b: Operand): Tensor { return pair(eqOp, a, b); }
/** a ≠ b → bool. */
export function ne(a: Operand, b: Operand): Tensor { return pair(neOp, a, b); }
/** a < b → bool. */
export function lt(a: Operand, b: Operand): Tensor { return pair(ltOp, a, b); }
/** a ≤ b → bool. */
export function le(a: Operand, b: Operand): Tensor { return pair(leOp, a, b); }
/** a > b → bool. */
export function gt(a: Operand, b: Operand): Tensor { return pair(gtOp, a, b); }
/** a ≥ b → bool. */
export function ge(a: Operand, b: Operand): Tensor { return pair(geOp, a, b); }
/** Both (bool). */
export function and(a: Tensor, b: Tensor): Tensor { return apply1(andOp, [a, b], null); }
/** Either (bool). */
export function or(a: Tensor, b: Tensor): Tensor { return apply1(orOp, [a, b], null); }
/** Neither true (bool). */
export function not(a: Tensor): Tensor { return apply1(notOp, [a], null); }

/** a where the condition holds, b elsewhere; all three broadcast. Two numbers give f32. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return temporaries(() => {
    const like = typeof a !== 'number' ? a : typeof b !== 'number' ? b : null;
    const tensor = (v: Operand): Tensor =>
      typeof v !== 'number' ? v : like === null ? condition.scalar(v, 'f32') : like.scalar(v);
    return apply1(whereOp, [condition, tensor(a), tensor(b)], null);
  });
}

/** −x. */
export function neg(x: Tensor): Tensor { return apply1(negOp, [x], null); }
/** |x|; gradient 0 at 0. */
export function abs(x: Tensor): Tensor { return apply1(absOp, [x], null); }
/** −1, 0 or 1. */
export function sign(x: Tensor): Tensor { return apply1(signOp, [x], null); }
/** Largest integer not above x. */
export function floor(x: Tensor): Tensor { return apply1(floorOp, [x], null); }
/** Smallest integer not below x. */
export function ceil(x: Tensor): Tensor { return apply1(ceilOp, [x], null); }
/** Nearest integer, halves to even. */
export function round(x: Tensor): Tensor { return apply1(roundOp, [x], null); }
/** x². */
export function square(x: Tensor): Tensor { return apply1(squareOp, [x], null); }
/** 1 / x. */
export function reciprocal(x: Tensor): Tensor { return apply1(reciprocalOp, [x], null); }
/** √x. */
export function sqrt(x: Tensor): Tensor { return apply1(sqrtOp, [x], null); }
/** 1 / √x. */
export function rsqrt(x: Tensor): Tensor { return apply1(rsqrtOp, [x], null); }
/** eˣ. */
export function exp(x: Tensor): Tensor { return apply1(expOp, [x], null); }
/** eˣ − 1, exact near 0. */
export function expm1(x: Tensor): Tensor { return apply1(expm1Op, [x], null); }
/** Natural logarithm. */
export function log(x: Tensor): Tensor { return apply1(logOp, [x], null); }
/** log(1 + x), exact near 0. */
export function log1p(x: Tensor): Tensor { return apply1(log1pOp, [x], null); }
/** Sine, radians. */
export function sin(x: Tensor): Tensor { return apply1(sinOp, [x], null); }
/** Cosine, radians. */
export function cos(x: Tensor): Tensor { return apply1(cosOp, [x], null); }
/** Tangent, radians. */
export function tan(x: Tensor): Tensor { return apply1(tanOp, [x], null); }
/** Hyperbolic tangent. */
export function tanh(x: Tensor): Tensor { return apply1(tanhOp, [x], null); }
/** 1 / (1 + e⁻ˣ). */
export function sigmoid(x: Tensor): Tensor { return apply1(sigmoidOp, [x], null); }
/** Error function 2/√π ∫₀ˣ e^{−t²} dt. */
export function erf(x: Tensor): Tensor { return apply1(erfOp, [x], null); }
/** The number whose error function is x, for −1 ≤ x ≤ 1. */
export function erfinv(x: Tensor): Tensor { return apply1(erfinvOp, [x], null); }
/** max(x, 0). */
export function relu(x: Tensor): Tensor { return apply1(reluOp, [x], null); }
/** log(1 + eˣ), exact everywhere. */
export function softplus(x: Tensor): Tensor { return apply1(softplusOp, [x], null); }
/** log σ(x) = −softplus(−x). */
export function logSigmoid(x: Tensor): Tensor { return apply1(logSigmoidOp, [x], null); }
/** x σ(x), also called swish. */
export function silu(x: Tensor): Tensor { return apply1(siluOp, [x], null); }
/** x Φ(x) with the exact normal distribution function (Hendrycks & Gimpel 2016, arXiv:1606.08415). */
export function gelu(x: Tensor): Tensor { return apply1(geluOp, [x], null); }
/** The tanh approximation of GELU used by GPT-2: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
export function geluTanh(x: Tensor): Tensor { return apply1(geluTanhOp, [x], null); }
/** x above 0, eˣ − 1 below. */
export function elu(x: Tensor): Tensor { return apply1(eluOp, [x], null); }
/** x tanh(softplus(x)). */
export function mish(x: Tensor): Tensor { return apply1(mishOp, [x], null); }
/** True where x is NaN. */
export function isNaN(x: Tensor): Tensor { return apply1(isNaNOp, [x], null); }
/** True where x is neither NaN nor infinite. */
export function isFinite(x: Tensor): Tensor { return apply1(isFiniteOp, [x], null); }
/** x limited to [low, high]; gradient 0 outside. */
export function clip(x: Tensor, low: number, high: number): Tensor {
  return temporaries(() => {
    return minimum(maximum(x, low), high);
  });
}
/** The same numbers in another element type. To integers: truncation; to bool: ≠ 0; to f16: nearest, ties to even. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x.alias() : apply1(castOp, [x], { dtype, from: x.dtype });
}
