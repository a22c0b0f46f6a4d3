// What positions read of their chunk and of the state it begins with, as products of matrices: see gpu-tiles.ts.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { blockWeight, channelDots, channelWalk, keepsText } from './gpu-tile-decays.js';
import {
  betweenText,
  elementAt,
  factorAt,
  fours,
  loadRight,
  multiply,
  placeOfTile,
  store,
  tileMemory,
  tileParams,
} from './gpu-tiles.js';
import type { TileKey } from './gpu-tiles.js';

/** One reading: which operands, and which way in time. */
export interface Reading {
  readonly x: string;
  readonly y: string;
  readonly z: string;
  readonly out: string;
  /** The state of a chunk: what it begins with, or against time what comes from behind it. */
  readonly S: 'states' | 'w';
  readonly reversed: boolean;
  /** S is [J, D] instead of [D, J]: factors of channels belong to what is computed instead of to x. */
  readonly turned: boolean;
}

/** 32 positions from `from`, 32 elements from `d0` of each, into `to`: four positions side by side. */
const loadRows = (to: string, value: string, from: string, otherwise = '0.0'): string => `
for (var e = lix; e < 256u; e += 64u) {
  var four = vec4<f32>(${otherwise});
  let d = d0 + e % 32u;
  for (var b = 0u; b < 4u; b++) {
    let t = ${from} + e / 32u * 4u + b;
    if (t < end && d < p.D) { four[b] = ${value}; }
  }
  ${to} = four;
}`;

/**
 * What positions read of a chunk and of the state it begins with, or against time of what comes behind it:
 *
 *   out_t = Σ_s M_ts (x_t · y_s) z_s + m_t Sᵀ x_t      s ≤ t, against time s ≥ t
 *
 * M_ts is the product of the factors between the positions, m_t that up to t. Factors of channels stand within x · y, or
 * where S is `turned` with z.
 */
export const tileReadShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, decay, x, y, z, out, S, reversed, turned } = JSON.parse(text) as TileKey & Reading;
  const fading = decay !== 'none';
  const outer = decay === 'key' && turned;
  const inner = decay === 'key' && !turned;
  const width = outer ? 'J' : 'D';
  const [reach, lead] = reversed ? ['up', 'down'] : ['down', 'up'];
  const factor = (name: string, t: string, d: string): string => factorAt(decay, name, t, d, width);
  const between = (blocks: string, d: string): string => `between(origin, end, h, ${blocks}, ${d})`;
  const apart = reversed ? 'block + 1u, other' : 'other + 1u, block';
  const beyond = reversed ? 'block + 1u, blocks' : '0u, block';
  const times = (...factors: string[]): string => (fading ? factors.map((f) => ` * ${f}`).join('') : '');
  const entry = (d: string, j: string): string => (turned ? `${j} * p.D + ${d}` : `${d} * p.J + ${j}`);

  // Numbers of a loop are written out as 0: compilers were seen to leave what the iteration before had put there.
  const block = (diagonal: boolean): string => {
    const scaled = fading && !outer && !diagonal;
    const rowsOfX = elementAt(x, 't', 'd', 'D') + (scaled ? times(factor(reach, 't', 'd')) : '');
    const rowsOfY =
      elementAt(y, 't', 'd', 'D') + (scaled ? times(factor(lead, 't', 'd'), between(apart, 'd')) : '');
    const columnsOfZ =
      elementAt(z, '(s0 + i)', 'j', 'J') +
      (outer && !diagonal ? times(factor(lead, '(s0 + i)', 'j'), between(apart, 'j')) : '');
    const masked = diagonal && decay !== 'key';
    return `
  let s0 = origin + ${diagonal ? 'block' : 'other'} * 32u;
  var dots = array<vec4<f32>, 4>();
  for (var d0 = 0u; d0 < p.D; d0 += 32u) {
    ${loadRows('left[e % 32u * 8u + e / 32u]', rowsOfX, 't0')}
    ${loadRows('right[e % 32u * 8u + e / 32u]', rowsOfY, 's0')}
    ${diagonal && inner ? loadRows('right[256u + e % 32u * 8u + e / 32u]', factor('keep', 't', 'd'), 's0', '1.0') : ''}
    workgroupBarrier();
    ${
      diagonal && inner
        ? channelDots(reversed)
        : `for (var i = 0u; i < 32u; i++) {
      let l = left[i * 8u + ty];
      let r = right[i * 8u + tx];
      ${fours((b) => `dots[${b}] += l * r[${b}];`)}
    }`
    }
    workgroupBarrier();
  }
  ${fours(
    (b) => `{
    let s = 4u * tx + ${b}u;
    var weight = vec4<f32>(1.0);
    ${masked ? blockWeight(b, reversed, fading) : ''}
    left[s * 8u + ty] = dots[${b}] * weight;
  }`,
  )}
  ${loadRight(columnsOfZ, 'end - s0')}
  ${diagonal && outer ? channelWalk(reversed) : multiply}`;
  };

  return shader({
    name: `matrixScan/tiles ${out}`,
    operands: [
      ...[x, y, z, S, ...(fading ? ['keep', 'down', 'up'] : [])].map((name) => reads(name, 'f32', at[name])),
      writes('out', 'f32', at[out]),
    ],
    params: tileParams,
    workgroup: 64,
    declare: `${tileMemory}
${decay === 'head' ? 'var<workgroup> factors: array<f32, 32>;' : ''}
${fading ? betweenText(decay, width) : ''}
${outer ? keepsText : ''}`,
    main: `${placeOfTile('L')}
let t0 = origin + row0;
if (t0 >= end) { return; }
let block = row0 / 32u;
${
  decay === 'head'
    ? `if (lix < 32u) {
  factors[lix] = 1.0;
  if (t0 + lix < end) { factors[lix] = ${factor('keep', '(t0 + lix)', '')}; }
}`
    : ''
}
let base = ((n * ${S === 'w' ? '(p.N + 1u) + c + 1u' : 'p.N + c'}) * p.H + h) * p.D * p.J;
for (var d0 = 0u; d0 < p.D; d0 += 32u) {
  ${loadRows('left[e % 32u * 8u + e / 32u]', elementAt(x, 't', 'd', 'D') + (outer ? '' : times(factor(reach, 't', 'd'), between(beyond, 'd'))), 't0')}
  ${loadRight(`${S}(base + ${entry('(d0 + i)', 'j')})${outer ? times(between(beyond, 'j')) : ''}`, 'p.D - d0')}
  ${multiply}
}
for (var other = ${reversed ? 'block + 1u; other < blocks' : '0u; other < block'}; other++) {
  ${block(false)}
}
${
  outer
    ? fours((r) =>
        [0, 1]
          .map(
            (half) => `for (var b = 0u; b < 4u; b++) {
  let j = j0 + ${32 * half}u + tx * 4u + b;
  let t = t0 + 4u * ty + ${r}u;
  if (t < end && j < p.J) { acc[${4 * half + r}][b] *= ${factor(reach, 't', 'j')}; }
}`,
          )
          .join('\n'),
      )
    : ''
}
${block(true)}
${store((row, j, value) => `let t = t0 + ${row}; if (t < end) { set_out((t * p.H + h) * p.J + ${j}, ${value}); }`)}`,
  });
});
