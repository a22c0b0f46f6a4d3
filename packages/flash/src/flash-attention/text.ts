// Text that the shaders of flash attention share: who sees whom, scores, rows of four.
import type { GpuView } from '@seq/tensor/engine';
import { reads, threefry } from '@seq/webgpu-kernels/wgsl';
import type { Element, Operand } from '@seq/webgpu-kernels/wgsl';
import { named, sizesOf } from './call.js';
import type { FlashAttrs, FlashInputs, Places, Sizes } from './call.js';

/** All that a text depends on, as JSON; sizes but for the width of heads are parameters. */
export interface Look {
  readonly D: number;
  readonly V: number;
  /** Rows are whole fours that begin at fours. */
  readonly four: boolean;
  /** q, k and v are stored as f16. */
  readonly half: boolean;
  readonly softcap: boolean;
  readonly bias: boolean;
  readonly slopes: boolean;
  readonly drops: boolean;
  readonly places: Places;
  readonly ring: boolean;
  /** Slopes, places and key come in one scratch operand of words, `side`. */
  readonly packs: boolean;
}

/** Parameters of a dispatch by name, with their types. */
export type Params = Record<string, readonly ['u32' | 'i32' | 'f32', number]>;

/** Types of parameters, as a shader declares them. */
export function typesOf(params: Params): { [name: string]: 'u32' | 'i32' | 'f32' } {
  return Object.fromEntries(Object.entries(params).map(([name, [type]]) => [name, type]));
}

/** How rows of f32 are read and written. */
export function elementOf({ four }: Pick<Look, 'four'>): 'f32' | 'f32x4' {
  return four ? 'f32x4' : 'f32';
}

/** How rows of q, k and v are read; values are f32 in the text, whatever they are stored as. */
export function headOf({ four, half }: Pick<Look, 'four' | 'half'>): Element {
  return half ? (four ? 'f16x4' : 'f16') : elementOf({ four });
}

/** Numbers of a text: 0 … n − 1. */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
export const each = (n: number, text: (i: number) => string): string => upTo(n).map(text).join('\n');
export const fours = (n: number): number => Math.ceil(n / 4);

/** A finite stand-in for no bound. */
const FAR = 0x3fff_ffff;

/** The look of a call, and where its optional inputs stand. */
export function lookOf(
  inputs: readonly GpuView[],
  attrs: FlashAttrs,
  rows: readonly GpuView[],
  packs: boolean,
): Look {
  const { q, v } = named(inputs, attrs);
  const whole = (x: GpuView): boolean =>
    x.shape[3] % 4 === 0 &&
    x.aligned % 4 === 0 &&
    x.strides[3] === 1 &&
    x.strides.slice(0, 3).every((s, axis) => x.shape[axis] === 1 || s % 4 === 0);
  return {
    D: q.shape[3],
    V: v.shape[3],
    four: rows.every(whole),
    half: q.dtype === 'f16',
    softcap: attrs.softcap > 0,
    bias: attrs.bias,
    slopes: attrs.slopes,
    drops: attrs.dropout > 0,
    places: attrs.places,
    ring: attrs.ring > 0,
    packs,
  };
}

const along = (x: GpuView, axis: number): number => (x.shape[axis] === 1 ? 0 : x.strides[axis]);

/** Distances of a view [B, T, H, D]. */
export function rowParams(name: string, x: GpuView): Params {
  return {
    [`${name}_b`]: ['u32', along(x, 0)],
    [`${name}_t`]: ['u32', along(x, 1)],
    [`${name}_h`]: ['u32', along(x, 2)],
    [`${name}_d`]: ['u32', x.strides[3]],
  };
}

/** Parameters that every pass has. */
export function commonParams(inputs: readonly GpuView[], attrs: FlashAttrs): Params {
  const all = named(inputs, attrs);
  const { B, T, S, H, G } = sizesOf(all);
  const { q, k, v, bias, slopes } = all;
  const bound = (n: number): number => Math.min(n, FAR);
  return {
    B: ['u32', B],
    T: ['u32', T],
    S: ['u32', S],
    H: ['u32', H],
    G: ['u32', G],
    R: ['u32', H / G],
    scale: ['f32', attrs.scale],
    left: ['i32', bound(attrs.left)],
    right: ['i32', bound(attrs.right)],
    ...rowParams('q', q),
    ...rowParams('k', k),
    ...rowParams('v', v),
    ...(attrs.softcap > 0 && { softcap: ['f32', attrs.softcap] as const }),
    ...(bias && {
      bias_b: ['u32', along(bias, 0)] as const,
      bias_h: ['u32', along(bias, 1)] as const,
      bias_t: ['u32', along(bias, 2)] as const,
      bias_s: ['u32', along(bias, 3)] as const,
    }),
    ...(slopes && {
      slopes_b: ['u32', along(slopes, 0)] as const,
      slopes_h: ['u32', along(slopes, 1)] as const,
    }),
    ...(attrs.ring > 0 && { ring: ['i32', attrs.ring] as const }),
    ...(attrs.dropout > 0 && {
      keep: ['f32', 1 - attrs.dropout] as const,
      boost: ['f32', 1 / (1 - attrs.dropout)] as const,
    }),
    ...sideParams(all, attrs),
  };
}

/** Where the parts of `side` begin, in words; statistics of 2 words for each query come first. */
function sideParams(all: FlashInputs<GpuView>, attrs: FlashAttrs): Params {
  const { B, T, H } = sizesOf(all);
  const statistics = 2 * B * H * T;
  const slopes = statistics + (all.slopes ? B * H : 0);
  const places = slopes + (attrs.places === 'end' ? 0 : 3 * B * (attrs.places === 'rows' ? 1 : T));
  return {
    side_slopes: ['u32', statistics],
    side_places: ['u32', slopes],
    side_key: ['u32', places],
  };
}

/** Words of `side`. */
export function sideWords({ B, T, H }: Sizes, places: Places): number {
  return 2 * B * H * T + B * H + 3 * B * (places === 'queries' ? T : 1) + 2;
}

/** The operands that scores need beside q and k, when nothing is packed. `at` counts inputs before those of the op. */
export function scoreOperands({ bias, slopes, places, packs }: Look, at: number, side: number): Operand[] {
  let next = at + 3;
  const operands: Operand[] = bias ? [reads('bias', 'f32', next++)] : [];
  if (packs) return [...operands, reads('side', 'u32', side)];
  if (slopes) operands.push(reads('slopes', 'f32', next++));
  if (places === 'rows') operands.push(reads('position', 'i32', next++), reads('first', 'i32', next++));
  return operands;
}

/** `x_four(at, d)`: four elements of a row, 0 behind its end; `step` is the distance of elements. */
export function rowText(name: string, width: number, four: boolean, step: string = `p.${name}_d`): string {
  if (four) return `fn ${name}_four(at: u32, d: u32) -> vec4<f32> { return ${name}((at >> 2u) + d); }`;
  const element = (c: number): string =>
    c === 0 ? `${name}(e)` : `select(0.0, ${name}(e + ${c}u * ${step}), 4u * d + ${c}u < ${width}u)`;
  return `fn ${name}_four(at: u32, d: u32) -> vec4<f32> {
  let e = at + 4u * d * ${step};
  return vec4<f32>(${upTo(4).map(element).join(', ')});
}`;
}

/** `x_four(at, d)` and `put_x(at, d, v)` for a result. */
export function resultText(name: string, width: number, four: boolean): string {
  const store = four
    ? `set_${name}((at >> 2u) + d, v);`
    : each(4, (c) => `if (4u * d + ${c}u < ${width}u) { set_${name}(at + 4u * d + ${c}u, v.${'xyzw'[c]}); }`);
  return `${rowText(name, width, four, '1u')}
fn put_${name}(at: u32, d: u32, v: vec4<f32>) { ${store} }`;
}

/** Functions on places and scores. */
export function scoreText(look: Look): string {
  const { softcap, bias, slopes, places, ring, drops, packs } = look;
  const start = packs ? 'bitcast<i32>(side(p.side_places + b))' : 'position(b)';
  const from = packs ? 'bitcast<i32>(side(p.side_places + p.B + b))' : 'first(b)';
  const slope = packs
    ? 'bitcast<f32>(side(p.side_slopes + b * p.H + h))'
    : 'slopes(b * p.slopes_b + h * p.slopes_h)';
  const place = {
    end: 'w.p = i32(i + p.S) - i32(p.T); w.hi = i32(p.S);',
    rows: `w.p = ${start} + i32(i); w.lo = max(0, ${from}); w.hi = ${ring ? FAR : 'i32(p.S)'};`,
    queries: `let n = p.side_places + 3u * (b * p.T + i);
  w.p = bitcast<i32>(side(n)); w.lo = max(0, bitcast<i32>(side(n + 1u))); w.hi = min(i32(p.S), bitcast<i32>(side(n + 2u)));`,
  }[places];
  return `
const hidden = -1e30;
fn ex(x: f32) -> f32 { return exp(max(x, -150.0)); }
// A query: its place p and the positions [lo, hi) that it sees.
struct Row { b: u32, h: u32, i: u32, p: i32, lo: i32, hi: i32, slope: f32, bias_at: u32, word: u32 }
fn place_of(b: u32, i: u32) -> Row {
  var w: Row;
  w.b = b; w.i = i; w.lo = 0;
  ${place}
  w.lo = max(w.lo, w.p - p.left);
  w.hi = min(w.hi, w.p + p.right + 1);
  return w;
}
// Row r of the queries of all heads that share keys: query r / R, head r % R of the group.
fn row_of(b: u32, g: u32, r: u32) -> Row {
  let i = r / p.R;
  let h = g * p.R + r % p.R;
  var w = place_of(b, i);
  w.h = h;
  ${slopes ? `w.slope = ${slope};` : ''}
  ${bias ? 'w.bias_at = b * p.bias_b + h * p.bias_h + i * p.bias_t;' : ''}
  ${drops ? 'w.word = ((b * p.H + h) * p.T + i) * p.S;' : ''}
  return w;
}
fn key_at(b: u32, j: u32) -> i32 {
  ${
    ring
      ? `let start = ${start};
  let k = i32(j);
  if (k >= p.ring) { return select(${FAR}, start + k - p.ring, j < p.S); }
  let last = select(start - 1, start, i32(p.S) == p.ring);
  return last - (((last - k) % p.ring) + p.ring) % p.ring;`
      : 'return i32(j);'
  }
}
// The score of a product, and the slope of the way there.
fn score(w: Row, j: u32, product: f32) -> vec2<f32> {
  let at = key_at(w.b, j);
  var s = product * p.scale;
  var bent = 1.0;
  ${softcap ? 'let c = tanh(clamp(s / p.softcap, -20.0, 20.0)); s = p.softcap * c; bent = 1.0 - c * c;' : ''}
  ${bias ? 'let added = max(bias(w.bias_at + min(j, p.S - 1u) * p.bias_s), hidden); s += added;' : ''}
  ${slopes ? 's -= w.slope * f32(abs(w.p - at));' : ''}
  let seen = at >= w.lo && at < w.hi${bias ? ' && added > -1e29' : ''};
  return vec2<f32>(select(hidden, s, seen), bent);
}
// Keys [x, y) that queries i0 … i1 of a batch row may see.
fn keys_of(b: u32, i0: u32, i1: u32) -> vec2<u32> {
  ${
    ring
      ? 'return vec2<u32>(0u, p.S);'
      : places === 'queries'
        ? `var lo = i32(p.S); var hi = 0;
  for (var i = i0; i <= i1; i++) { let w = place_of(b, i); if (w.lo < w.hi) { lo = min(lo, w.lo); hi = max(hi, w.hi); } }
  return vec2<u32>(u32(lo), u32(max(hi, 0)));`
        : 'return vec2<u32>(u32(max(place_of(b, i0).lo, 0)), u32(clamp(place_of(b, i1).hi, 0, i32(p.S))));'
  }
}
${drops ? dropText : ''}`;
}

const dropText = `
${threefry}
fn kept(w: Row, j: u32) -> f32 {
  let n = w.word + j;
  let words = threefry(vec2<u32>(side(p.side_key), side(p.side_key + 1u)), vec2<u32>(n >> 1u, 0u));
  return select(0.0, p.boost, f32(select(words.x, words.y, (n & 1u) == 1u) >> 8u) * 0x1p-24 < p.keep);
}`;
