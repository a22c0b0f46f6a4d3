// Decays within a block of 32 positions of a tile, where the factors between two positions are multiplied one by one.
import { fours } from './gpu-tiles.js';

/** Which pairs of positions count, and which factors lie between them. */
export interface Direction {
  /** s from t on instead of up to t. */
  readonly reversed: boolean;
  /** Without s = t, and without the factor of the later of the two. */
  readonly strict: boolean;
}

const axes = ['x', 'y', 'z', 'w'] as const;
const rows = [0, 1, 2, 3] as const;

/** The product of the factors `from` … `to` of the four in `k`. */
const span = (from: number, to: number): string =>
  to < from
    ? '1.0'
    : axes
        .slice(from, to + 1)
        .map((axis) => `k.${axis}`)
        .join(' * ');

const vector = (text: (t: number) => string): string => `vec4<f32>(${rows.map(text).join(', ')})`;

/** What each of four rows reads of column s of the same four positions. */
const within = (s: number, { reversed, strict }: Direction): string =>
  vector((t) => {
    const [earlier, later] = reversed ? [t, s] : [s, t];
    return later < earlier || (strict && s === t) ? '0.0' : span(earlier + 1, strict ? later - 1 : later);
  });

/** Products of the four factors in `k` as the later position has them from the first, and the earlier to the last. */
const reach = ({ strict }: Direction): string => vector((t) => span(0, strict ? t - 1 : t));
const behind = vector((t) => span(t + 1, 3));

/** dots += the sum over channels of x_t y_s P_ts within a block; the factors P is made of lie behind y in `right`. */
export const channelDots = (way: Direction): string => `
for (var i = 0u; i < 32u; i++) {
  let l = left[i * 8u + ty];
  let r = right[i * 8u + tx];
  var k = right[256u + i * 8u + ty];
  if (tx == ty) {
    ${fours((s) => `dots[${s}] += l * r[${s}] * ${within(s, way)};`)}
  } else if (${way.reversed ? 'tx > ty' : 'tx < ty'}) {
    let row = l * ${way.reversed ? behind : reach(way)};
    var product = 1.0;
    for (var b = min(tx, ty) + 1u; b < max(tx, ty); b++) {
      k = right[256u + i * 8u + b];
      product *= ${span(0, 3)};
    }
    k = right[256u + i * 8u + tx];
    let column = r * product * ${way.reversed ? reach(way) : behind};
    ${fours((s) => `dots[${s}] += row * column[${s}];`)}
  }
}`;

/** The factors between four rows and column s = 4 tx + b of the same block, 0 where nothing is read; those of a head lie in `kept`. */
export const blockWeight = (b: number, way: Direction, fading: boolean): string => `
let k = ${fading ? vector((r) => `kept[4u * ty + ${r}u]`) : 'vec4<f32>(1.0)'};
if (tx == ty) {
  weight = ${within(b, way)};
} else if (${way.reversed ? 'tx > ty' : 'tx < ty'}) {
  weight = ${way.reversed ? behind : reach(way)};
  ${
    !fading
      ? ''
      : way.reversed
        ? `for (var i = 4u * ty + 4u; i ${way.strict ? '<' : '<='} s; i++) { weight *= kept[i]; }`
        : 'for (var i = s + 1u; i < 4u * ty; i++) { weight *= kept[i]; }'
  }
} else {
  weight = vec4<f32>();
}`;

/** `keeps(…)`: the factors of four channels at a position, 1 where there are none. */
export const keepsText: string = `
fn keeps(t: u32, end: u32, h: u32, j: u32) -> vec4<f32> {
  var four = vec4<f32>(1.0);
  for (var b = 0u; b < 4u; b++) {
    if (t < end && j + b < p.J) { four[b] = keep(t, h, j + b); }
  }
  return four;
}`;

/**
 * acc += Σ_s A_ts P_ts z_s within a block, where P belongs to the columns: an invocation walks from the nearest of its four
 * rows to the border of the block and keeps the product on the way. A lies in `left`, z in `right`.
 */
export const channelWalk = (way: Direction): string => {
  const { reversed, strict } = way;
  const near = reversed ? '4u * ty + 3u' : '4u * ty';
  const product = (from: number, to: number): string =>
    Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => ` * k${from + i}`).join('');
  // What lies between the walk's first position and a row of the four; a factor is passed before or behind its position.
  const row = (r: number): string =>
    reversed ? product(r + 1, 3) : strict ? product(0, r - 1) : product(1, r);
  const early = reversed && !strict;
  const pass = 'product *= keeps(t0 + s, end, h, j);';
  const reads = (s: number): readonly number[] =>
    rows.filter((r) => (r === s ? !strict : reversed ? r < s : r > s));
  const between = (r: number, s: number): string => {
    const [earlier, later] = reversed ? [r, s] : [s, r];
    return product(earlier + 1, strict ? later - 1 : later);
  };
  const walked = strict ? -1 : reversed ? 3 : 0; // the walk has it already
  const half = (x: number): string => `{
  let j = j0 + ${32 * x}u + tx * 4u;
  var product = vec4<f32>(1.0);
  var sums = array<vec4<f32>, 4>();
  for (var away = ${strict ? '1u' : '0u'}; ${reversed ? `${near} + away < 32u` : `away <= ${near}`}; away++) {
    let s = ${near} ${reversed ? '+' : '-'} away;
    ${early ? `if (away > 0u) { ${pass} }` : ''}
    let l = left[s * 8u + ty];
    let r = product * right[s * 16u + ${8 * x}u + tx];
    ${fours((b) => `sums[${b}] += l[${b}] * r;`)}
    ${early ? '' : pass}
  }
  ${fours((r) => `let k${r} = keeps(t0 + 4u * ty + ${r}u, end, h, j);`)}
  ${fours((r) => `acc[${4 * x + r}] += sums[${r}]${row(r)};`)}
  ${rows
    .filter((s) => s !== walked && reads(s).length > 0)
    .map(
      (
        s,
      ) => `{ let l = left[(4u * ty + ${s}u) * 8u + ty]; let r = right[(4u * ty + ${s}u) * 16u + ${8 * x}u + tx];
    ${reads(s)
      .map((r) => `acc[${4 * x + r}] += l[${r}] * r${between(r, s)};`)
      .join('\n')} }`,
    )
    .join('\n')}
}`;
  return `workgroupBarrier();\n${half(0)}\n${half(1)}\nworkgroupBarrier();`;
};
