import { bitsText, combineText, foldLanes } from '../wgsl/index.js';

/** How the invocations of a workgroup share rows: `lanes` work on one of `slots` rows. */
export interface RowShares {
  readonly lanes: number;
  readonly slots: number;
  /** Four elements are read and written at once. */
  readonly four: boolean;
}

/**
 * Functions that kernels of rows share. `T` is one element or four; lanes fold through workgroup memory (at most
 * 2 × 4 × 272 bytes).
 *
 * Exponents end at −150, where eˣ is 0 in f32, so that no infinity enters `exp`; the largest element is found among
 * finite floats from the lowest up, and folded as an integer that orders NaN above +∞ above all others.
 */
export function rowFunctions({ lanes, slots, four }: RowShares): string {
  const T = four ? 'vec4<f32>' : 'f32';
  const U = four ? 'vec4<u32>' : 'u32';
  const over = (f: string, kind: string): string => (four ? `${f}(${f}(v.x, v.y), ${f}(v.z, v.w))` : kind);
  return `alias T = ${T};
alias U = ${U};
const lowest = -0x1.fffffep+127f;
${bitsText}
${combineText.max('i32')}
${combineText.add('f32')}
${foldLanes({ name: 'largest_across', type: 'i32', combine: 'largest', lanes, slots })}
${foldLanes({ name: 'sum_across', type: 'f32', combine: 'add', lanes, slots })}
fn ex(d: T) -> T { return exp(max(d, T(-150.0))); }
fn ex1(d: f32) -> f32 { return exp(max(d, -150.0)); }
fn over_max(v: T) -> f32 { return ${over('max', 'v')}; }
fn over_sum(v: T) -> f32 { return ${over('add', 'v')}; }
fn over_top(v: U) -> u32 { return ${over('max', 'v')}; }
fn magnitude(v: T) -> U { return bitcast<U>(v) & U(0x7fffffffu); }
// The key of the largest element of which top is the largest magnitude: 0x7fc00000 stands for NaN.
fn key_of(m: f32, top: u32) -> i32 {
  return select(ordered(bitcast<u32>(m)), 0x7fc00000, top > 0x7f800000u);
}
fn largest_of(key: i32) -> f32 { return bitcast<f32>(disordered(key)); }
`;
}

/** Loops over the elements j of a lane from `first` to `last`, four at a time; `j` is declared here. */
export function laneLoop(
  lanes: number,
  four: (js: readonly string[]) => string,
  one: (j: string) => string,
): string {
  const L = `${lanes}u`;
  return `{
  var j = first + lane;
  for (; j + 3u * ${L} < last; j += 4u * ${L}) {
    ${four(['j', `j + ${L}`, `j + 2u * ${L}`, `j + 3u * ${L}`])}
  }
  for (; j < last; j += ${L}) { ${one('j')} }
}`;
}

/**
 * Declares `key` and `sum` of a row for all its lanes: the largest element x, as a key, and Σ exp(x − it), found in
 * one reading. `x(j)` must give element j; outside of a live row nothing is read.
 */
export function statsText(lanes: number, live: string): string {
  return `
  var m = T(lowest);
  var s = T(0.0);
  var top = U(0u);
  if (${live}) ${laneLoop(
    lanes,
    (js) => `let a = x(base + ${js[0]}); let b = x(base + ${js[1]});
    let c = x(base + ${js[2]}); let d = x(base + ${js[3]});
    let next = max(m, max(max(a, b), max(c, d)));
    top = max(top, max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(d))));
    s = s * ex(m - next) + ((ex(a - next) + ex(b - next)) + (ex(c - next) + ex(d - next)));
    m = next;`,
    (j) => `let a = x(base + ${j});
    let next = max(m, a);
    top = max(top, magnitude(a));
    s = s * ex(m - next) + ex(a - next);
    m = next;`,
  )}
  let lane_m = over_max(m);
  let lane_s = over_sum(s * ex(m - T(lane_m)));
  let key = largest_across(slot, lane, key_of(lane_m, over_top(top)));
  let sum = sum_across(slot, lane, lane_s * ex1(lane_m - largest_of(key)));`;
}

/** Which row and which part of it a lane works on: `live`, `row`, `split`, `base`, `first`, `last`. */
export function rowPlace({ lanes, slots }: RowShares): string {
  return `
  let slot = lix / ${lanes}u;
  let lane = lix % ${lanes}u;
  let unit = group * ${slots}u + slot;
  let row = unit / p.splits;
  let split = unit % p.splits;
  let live = row < p.rows;
  let base = row * p.n;
  let first = split * p.chunk;
  let last = min(first + p.chunk, p.n);`;
}

/** Parameters that `rowPlace` reads. */
export const rowParams: {
  readonly rows: 'u32';
  readonly n: 'u32';
  readonly chunk: 'u32';
  readonly splits: 'u32';
} = {
  rows: 'u32',
  n: 'u32',
  chunk: 'u32',
  splits: 'u32',
};
