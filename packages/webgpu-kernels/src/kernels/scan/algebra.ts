import { roundedText } from './problem.js';

/** What is scanned: elements that become states, and an associative operation on these; it need not commute. */
export interface Algebra {
  /** Types of an element, as it waits in workgroup memory, and of a state. */
  readonly element: string;
  readonly state: string;
  /** Numbers of a state; a single one is the state itself. */
  readonly words: number;
  readonly word: 'f32' | 'i32' | 'u32';
  /** Steps that an invocation takes by itself: as many as workgroup memory holds. */
  readonly run: number;
  /** The element and the state that change nothing. */
  readonly noElement: string;
  readonly nothing: string;
  /** `lifted(element) → state`, `after(left, right) → state`, `shown(state) → element`. */
  readonly declare: string;
}

/** Sums of whole numbers, which wrap; sums of floats together with what rounding took from them. */
export function sums(type: 'f32' | 'i32' | 'u32'): Algebra {
  const state = type === 'f32' ? 'vec2<f32>' : type;
  const declare =
    type === 'f32'
      ? `${roundedText}
fn lifted(e: f32) -> vec2<f32> { return vec2<f32>(e, 0.0); }
fn shown(s: vec2<f32>) -> f32 { return s.x + s.y; }
fn after(l: vec2<f32>, r: vec2<f32>) -> vec2<f32> {
  let sum = rounded(l.x + r.x);
  let of_r = rounded(sum - l.x);
  let lost = (l.x - rounded(sum - of_r)) + (r.x - of_r);
  return vec2<f32>(sum, finite(lost) + (l.y + r.y));
}`
      : `fn lifted(e: ${type}) -> ${type} { return e; }
fn shown(s: ${type}) -> ${type} { return s; }
fn after(l: ${type}, r: ${type}) -> ${type} { return l + r; }`;
  return {
    element: type,
    state,
    words: type === 'f32' ? 2 : 1,
    word: type,
    run: 4,
    noElement: `${type}(0)`,
    nothing: `${state}(0)`,
    declare,
  };
}

// Of a recurrence a state is the product of factors and what h comes to from nothing. The product may overflow where
// nothing is carried: nothing times it is nothing.

/** h_t = a_t h_{t−1} + x_t from elements (a, x). */
export const linear: Algebra = {
  element: 'vec2<f32>',
  state: 'vec2<f32>',
  words: 2,
  word: 'f32',
  run: 4,
  noElement: 'vec2<f32>(1.0, 0.0)',
  nothing: 'vec2<f32>(1.0, 0.0)',
  declare: `fn lifted(e: vec2<f32>) -> vec2<f32> { return e; }
fn shown(s: vec2<f32>) -> vec2<f32> { return s; }
fn after(l: vec2<f32>, r: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(l.x * r.x, select(r.x * l.y + r.y, r.y, l.y == 0.0));
}`,
};

/** The same in complex numbers, from elements (a, x) of two numbers each. */
export const complexLinear: Algebra = {
  element: 'vec4<f32>',
  state: 'vec4<f32>',
  words: 4,
  word: 'f32',
  run: 2,
  noElement: 'vec4<f32>(1.0, 0.0, 0.0, 0.0)',
  nothing: 'vec4<f32>(1.0, 0.0, 0.0, 0.0)',
  declare: `fn times(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}
fn lifted(e: vec4<f32>) -> vec4<f32> { return e; }
fn shown(s: vec4<f32>) -> vec4<f32> { return s; }
fn after(l: vec4<f32>, r: vec4<f32>) -> vec4<f32> {
  let none = l.z == 0.0 && l.w == 0.0;
  return vec4<f32>(times(l.xy, r.xy), select(times(r.xy, l.zw) + r.zw, r.zw, none));
}`,
};
