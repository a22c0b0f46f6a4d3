// Decays within a block of 32 positions of a tile, where the factors between two positions are multiplied one by one.
import { fours } from './gpu-tiles.js';

const axes = ['x', 'y', 'z', 'w'] as const;

/** The product of the factors `from` … `to` of the four in `k`. */
const span = (from: number, to: number): string =>
  to < from
    ? '1.0'
    : axes
        .slice(from, to + 1)
        .map((axis) => `k.${axis}`)
        .join(' * ');

/** What each of four rows reads of column s of the same four positions. */
const within = (s: number, reversed: boolean): string =>
  `vec4<f32>(${[0, 1, 2, 3]
    .map((t) => (reversed ? (t > s ? '0.0' : span(t + 1, s)) : t < s ? '0.0' : span(s + 1, t)))
    .join(', ')})`;

/** Products of the four factors in `k`: from the first up to each, and of all behind each. */
const upTo = `vec4<f32>(${[0, 1, 2, 3].map((t) => span(0, t)).join(', ')})`;
const behind = `vec4<f32>(${[0, 1, 2, 3].map((t) => span(t + 1, 3)).join(', ')})`;

/** dots += the sum over channels of x_t y_s P_ts within a block; the factors P is made of lie behind y in `right`. */
export const channelDots = (reversed: boolean): string => `
for (var i = 0u; i < 32u; i++) {
  let l = left[i * 8u + ty];
  let r = right[i * 8u + tx];
  var k = right[256u + i * 8u + ty];
  if (tx == ty) {
    ${fours((s) => `dots[${s}] += l * r[${s}] * ${within(s, reversed)};`)}
  } else if (${reversed ? 'tx > ty' : 'tx < ty'}) {
    let row = l * ${reversed ? behind : upTo};
    var product = 1.0;
    for (var b = min(tx, ty) + 1u; b < max(tx, ty); b++) {
      k = right[256u + i * 8u + b];
      product *= ${span(0, 3)};
    }
    k = right[256u + i * 8u + tx];
    let column = r * product * ${reversed ? upTo : behind};
    ${fours((s) => `dots[${s}] += row * column[${s}];`)}
  }
}`;

/** The factors between four rows and column s = 4 tx + b of the same block, 0 where nothing is read. */
export const blockWeight = (b: number, reversed: boolean, fading: boolean): string => `
let k = ${fading ? `vec4<f32>(${[0, 1, 2, 3].map((r) => `factors[4u * ty + ${r}u]`).join(', ')})` : 'vec4<f32>(1.0)'};
if (tx == ty) {
  weight = ${within(b, reversed)};
} else if (${reversed ? 'tx > ty' : 'tx < ty'}) {
  weight = ${reversed ? behind : upTo};
  ${
    !fading
      ? ''
      : reversed
        ? 'for (var i = 4u * ty + 4u; i <= s; i++) { weight *= factors[i]; }'
        : 'for (var i = s + 1u; i < 4u * ty; i++) { weight *= factors[i]; }'
  }
} else {
  weight = vec4<f32>();
}`;

/** `keeps(…)`: the factors of four channels at a position, 1 where there are none. */
export const keepsText: string = `
fn keeps(t: u32, end: u32, h: u32, j: u32) -> vec4<f32> {
  var four = vec4<f32>(1.0);
  for (var b = 0u; b < 4u; b++) {
    if (t < end && j + b < p.J) { four[b] = keep((t * p.H + h) * p.J + j + b); }
  }
  return four;
}`;

/**
 * acc += Σ_s A_ts P_ts z_s within a block, where P belongs to the columns: an invocation walks from the nearest of its four
 * rows to the border of the block and keeps the product on the way. A lies in `left`, z in `right`.
 */
export const channelWalk = (reversed: boolean): string => {
  const near = reversed ? '4u * ty + 3u' : '4u * ty';
  const product = (from: number, to: number): string =>
    Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => ` * k${from + i}`).join('');
  const rows = [0, 1, 2, 3];
  const half = (x: number): string => `{
  let j = j0 + ${32 * x}u + tx * 4u;
  var product = vec4<f32>(1.0);
  var sums = array<vec4<f32>, 4>();
  for (var away = 0u; ${reversed ? `${near} + away < 32u` : `away <= ${near}`}; away++) {
    let s = ${near} ${reversed ? '+' : '-'} away;
    ${reversed ? 'if (away > 0u) { product *= keeps(t0 + s, end, h, j); }' : ''}
    let l = left[s * 8u + ty];
    let r = product * right[s * 16u + ${8 * x}u + tx];
    ${fours((b) => `sums[${b}] += l[${b}] * r;`)}
    ${reversed ? '' : 'product *= keeps(t0 + s, end, h, j);'}
  }
  ${[1, 2, 3].map((r) => `let k${r} = keeps(t0 + 4u * ty + ${r}u, end, h, j);`).join('\n')}
  ${rows.map((r) => `acc[${4 * x + r}] += sums[${r}]${reversed ? product(r + 1, 3) : product(1, r)};`).join('\n')}
  ${(reversed ? [0, 1, 2] : [1, 2, 3])
    .map((s) => {
      const some = rows.filter((r) => (reversed ? r <= s : r >= s));
      return `{ let l = left[(4u * ty + ${s}u) * 8u + ty]; let r = right[(4u * ty + ${s}u) * 16u + ${8 * x}u + tx];
    ${some.map((r) => `acc[${4 * x + r}] += l[${r}] * r${reversed ? product(r + 1, s) : product(s + 1, r)};`).join('\n')} }`;
    })
    .join('\n')}
}`;
  return `workgroupBarrier();\n${half(0)}\n${half(1)}\nworkgroupBarrier();`;
};
