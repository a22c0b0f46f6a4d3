import type { DType, Op } from '@seq/tensor/engine';
import * as ops from '@seq/tensor/engine';

/** Text of an element of a result from texts of elements of the operands; `types` are those of the operands. */
export type Expression = (args: readonly string[], types: readonly DType[], to: DType) => string;

type Kind = 'f' | 'i' | 'u' | 'b';
const kindOf: { readonly [D in DType]: Kind } = {
  f32: 'f',
  f64: 'f',
  f16: 'f',
  i32: 'i',
  u32: 'u',
  bool: 'b',
};

/** A text with `a`, `b`, `c` in place of the operands. */
const fill = (text: string, args: readonly string[]): string =>
  text.replace(/\b[abc]\b/g, (name) => `(${args['abc'.indexOf(name)]})`);

/** The same text for every type. */
const all =
  (text: string): Expression =>
  (args) =>
    fill(text, args);

/** A text by the type of the first operand; `n` serves all numbers. */
const by =
  (texts: { readonly [K in Kind | 'n']?: string }): Expression =>
  (args, [type]) => {
    const text = texts[kindOf[type]] ?? texts.n;
    if (text === undefined) throw new TypeError(`no text for ${type}`);
    return fill(text, args);
  };

/** A comparison that is false when either is NaN; bools compare as 0 and 1. */
const compare = (sign: string): Expression =>
  by({
    n: `a ${sign} b`,
    f: `m_ordered(a, b) && a ${sign} b`,
    b: `select(0u, 1u, a) ${sign} select(0u, 1u, b)`,
  });

const zeros: { readonly [K in Kind]: string } = { f: '0.0', i: '0', u: '0u', b: 'false' };

function cast([x]: readonly string[], [from]: readonly DType[], to: DType): string {
  const [a, b] = [kindOf[from], kindOf[to]];
  if (to === 'f16') return a === 'f' ? x : cast([x], [from], 'f32');
  if (a === b) return x;
  if (b === 'b') return a === 'f' ? `(bitcast<u32>(${x}) & 0x7fffffffu) != 0u` : `(${x}) != ${zeros[a]}`;
  if (a === 'b') return `select(${zeros[b]}, ${zeros[b].replace('0', '1')}, ${x})`.replace('1.1', '1.0');
  if (b === 'f') return a === 'i' ? `m_fromI(${x})` : `m_fromU(${x})`;
  const whole = a === 'f' ? `m_int(${x})` : x;
  return b === 'i' ? (a === 'f' ? whole : `bitcast<i32>(${whole})`) : `bitcast<u32>(${whole})`;
}

/** The ops that work element by element, as texts. NaN is tested by bits; see `math.ts`. */
export const expressions: ReadonlyMap<Op, Expression> = /* @__PURE__ */ new Map<Op, Expression>([
  [ops.negOp, by({ n: '-a', u: '0u - a' })],
  [ops.absOp, by({ n: 'abs(a)', u: 'a' })],
  [ops.signOp, by({ f: 'm_sign(a)', i: 'sign(a)', u: 'min(a, 1u)' })],
  [ops.floorOp, all('floor(a)')],
  [ops.ceilOp, all('ceil(a)')],
  [ops.roundOp, all('round(a)')],
  [ops.squareOp, all('a * a')],
  [ops.reciprocalOp, all('1.0 / a')],
  [ops.sqrtOp, all('sqrt(a)')],
  [ops.rsqrtOp, all('inverseSqrt(a)')],
  [ops.expOp, all('m_exp(a)')],
  [ops.expm1Op, all('m_expm1(a)')],
  [ops.logOp, all('m_log(a)')],
  [ops.log1pOp, all('m_log1p(a)')],
  [ops.sinOp, all('m_sin(a)')],
  [ops.cosOp, all('m_cos(a)')],
  [ops.tanOp, all('m_tan(a)')],
  [ops.tanhOp, all('m_tanh(a)')],
  [ops.erfOp, all('m_erf(a)')],
  [ops.erfinvOp, all('m_erfinv(a)')],
  [ops.isNaNOp, all('m_nan(a)')],
  [ops.isFiniteOp, all('m_finite(a)')],
  [ops.sigmoidOp, all('m_sigmoid(a)')],
  [ops.reluOp, by({ f: 'm_max(a, 0.0)', i: 'max(a, 0)', u: 'a' })],
  [ops.softplusOp, all('m_softplus(a)')],
  [ops.logSigmoidOp, all('-m_softplus(-a)')],
  [ops.siluOp, all('m_silu(a)')],
  [ops.geluOp, all('m_gelu(a)')],
  [ops.geluTanhOp, all('m_geluTanh(a)')],
  [ops.eluOp, all('select(m_expm1(a), a, a > 0.0)')],
  [ops.mishOp, all('m_mish(a)')],
  [ops.addOp, all('a + b')],
  [ops.subOp, all('a - b')],
  [ops.mulOp, all('a * b')],
  // Integers divided by 0 give 0.
  [ops.divOp, by({ f: 'a / b', i: 'select(a / b, 0, b == 0)', u: 'select(a / b, 0u, b == 0u)' })],
  [ops.powOp, all('m_pow(a, b)')],
  [ops.modOp, by({ f: 'm_mod(a, b)', i: 'm_modI(a, b)', u: 'm_modU(a, b)' })],
  [ops.maximumOp, by({ n: 'max(a, b)', f: 'm_max(a, b)' })],
  [ops.minimumOp, by({ n: 'min(a, b)', f: 'm_min(a, b)' })],
  [ops.eqOp, by({ n: 'a == b', f: 'm_ordered(a, b) && a == b', b: 'a == b' })],
  [ops.neOp, by({ n: 'a != b', f: '!(m_ordered(a, b) && a == b)', b: 'a != b' })],
  [ops.ltOp, compare('<')],
  [ops.leOp, compare('<=')],
  [ops.gtOp, compare('>')],
  [ops.geOp, compare('>=')],
  [ops.andOp, all('a && b')],
  [ops.orOp, all('a || b')],
  [ops.notOp, all('!a')],
  [ops.whereOp, all('select(c, b, a)')],
  [ops.castOp, cast],
]);
