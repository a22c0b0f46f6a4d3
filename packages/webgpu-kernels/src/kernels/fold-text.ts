import type { DType } from '@seq/tensor/engine';
import { bitsText, combineText } from '../wgsl/index.js';
import type { Element } from '../wgsl/index.js';

/** What is folded, and how elements become values that are folded and values results. */
export interface FoldKind {
  readonly op: 'sum' | 'prod' | 'max' | 'min' | 'argMax' | 'argMin';
  readonly dtype: DType;
}

/** The texts of a fold of one kind. */
export interface FoldText {
  /** How the operand is bound. */
  readonly input: Element;
  readonly output: Element;
  /** How partial results are bound, and how many words one takes. */
  readonly partial: Element;
  readonly words: number;
  /** Type of the values that are folded; `four` when an operand of four elements is folded component by component. */
  readonly type: string;
  readonly four: string;
  readonly combine: string;
  readonly identity: string;
  /** Functions: the combination, `enter(element, j)`, `leave(value)` and, for four at once, `enter4`, `leave4`. */
  readonly declare: string;
}

/**
 * Largest and smallest are found among integers in the order of the elements, NaN above all: devices promise nothing
 * of comparisons with NaN, nor of infinity. Smallest is the largest of the complements.
 */
export function foldText({ op, dtype }: FoldKind): FoldText {
  if (op === 'sum' || op === 'prod') return arithmetic(op, dtype as 'f32' | 'i32' | 'u32');
  const least = op === 'min' || op === 'argMin';
  return op === 'max' || op === 'min' ? extreme(dtype, least) : place(dtype, least);
}

function arithmetic(op: 'sum' | 'prod', type: 'f32' | 'i32' | 'u32'): FoldText {
  const name = op === 'sum' ? 'add' : 'mul';
  return {
    input: type,
    output: type,
    partial: type,
    words: 1,
    type,
    four: `vec4<${type}>`,
    combine: name,
    identity: op === 'sum' ? '0' : '1',
    declare: `${combineText[name](type)}
fn ${name}4(a: vec4<${type}>, b: vec4<${type}>) -> vec4<${type}> { return a ${op === 'sum' ? '+' : '*'} b; }
fn enter(v: ${type}, j: u32) -> ${type} { return v; }
fn leave(v: ${type}) -> ${type} { return v; }
fn enter4(v: vec4<${type}>) -> vec4<${type}> { return v; }
fn leave4(v: vec4<${type}>) -> vec4<${type}> { return v; }`,
  };
}

/** Bits to integers in their order, as expressions of `b`, and back of `k`. */
const keys: { readonly [type: string]: readonly [enter: string, leave: string] } = {
  i32: ['bitcast<i32>(b)', 'bitcast<u32>(k)'],
  u32: ['bitcast<i32>(b ^ 0x80000000u)', 'bitcast<u32>(k) ^ 0x80000000u'],
  bool: ['bitcast<i32>(b)', 'select(0u, 1u, k > 0)'],
};

function extreme(dtype: DType, least: boolean): FoldText {
  const not = least ? '~' : '';
  const [enter, leave] =
    dtype === 'f32'
      ? [
          `select(${not}ordered(b), 0x7fc00000, is_nan(b))`,
          `select(disordered(${not}v), 0x7fc00000u, v > 0x7f800000)`,
        ]
      : [`${not}(${keys[dtype][0]})`, keys[dtype][1].replace('k', `(${not}v)`)];
  return {
    input: 'u32',
    output: 'u32',
    partial: 'i32',
    words: 1,
    type: 'i32',
    four: 'vec4<i32>',
    combine: 'largest',
    // Below all elements; of floats −∞, or +∞ among complements.
    identity: dtype === 'f32' ? 'bitcast<i32>(0x807fffffu)' : 'bitcast<i32>(0x80000000u)',
    declare: `${bitsText}
${combineText.max('i32')}
fn largest4(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> { return max(a, b); }
fn enter(b: u32, j: u32) -> i32 { return ${enter}; }
fn leave(v: i32) -> u32 { return ${leave}; }
fn enter4(b: vec4<u32>) -> vec4<i32> {
  return vec4<i32>(enter(b.x, 0u), enter(b.y, 0u), enter(b.z, 0u), enter(b.w, 0u));
}
fn leave4(v: vec4<i32>) -> vec4<u32> { return vec4<u32>(leave(v.x), leave(v.y), leave(v.z), leave(v.w)); }`,
  };
}

/** Values are (key, place); a NaN wins only where it is the first element, since no comparison with it holds. */
function place(dtype: DType, least: boolean): FoldText {
  const not = least ? '~' : '';
  const key =
    dtype === 'f32'
      ? `select(select(${not}ordered(select(b, 0u, b == 0x80000000u)), bitcast<i32>(0x80000000u), is_nan(b)),
    0x7fffffff, is_nan(b) && j == 0u)`
      : `${not}(${keys[dtype][0]})`;
  return {
    input: 'u32',
    output: 'i32',
    partial: 'i32',
    words: 2,
    type: 'vec2<i32>',
    four: '',
    combine: 'better',
    identity: 'bitcast<i32>(0x80000000u), 0x7fffffff',
    declare: `${bitsText}
fn better(a: vec2<i32>, b: vec2<i32>) -> vec2<i32> {
  return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}
fn enter(b: u32, j: u32) -> vec2<i32> { return vec2<i32>(${key}, i32(j)); }
fn leave(v: vec2<i32>) -> i32 { return v.y; }`,
  };
}
