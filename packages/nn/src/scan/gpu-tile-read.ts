// What positions read of their chunk and of the state it begins with, as products of matrices: see gpu-tiles.ts.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { keepsText } from './gpu-tile-decays.js';
import { keptMemory, loadKept, termText } from './gpu-tile-terms.js';
import type { Rows, Term } from './gpu-tile-terms.js';
import {
  each,
  elementAt,
  factorsText,
  loadRight,
  loadRows,
  multiply,
  placeOfTile,
  reaching,
  tileMemory,
  tileParams,
} from './gpu-tiles.js';
import type { TileKey } from './gpu-tiles.js';

/** One reading: which operands, and which way in time. Where S is [J, D] instead of [D, J] it is `turned`. */
export interface Reading extends Omit<Rows, 'decay' | 'columns'> {
  /** With time all are strict or none, and so is what is read of S. */
  readonly terms: readonly Term[];
  readonly out: string;
  /** The state of a chunk: what it begins with, or against time what comes from behind it. */
  readonly S: 'states' | 'w';
}

/**
 * What positions read of a chunk and of the state it begins with, or against time of what comes behind it:
 *
 *   out_t = Σ_terms Σ_s M_ts (x_t · y_s) z_s + m_t Sᵀ x_t      s ≤ t, against time s ≥ t
 *
 * M_ts is the product of the factors between the positions, m_t that up to t. Factors of channels stand within x · y, or
 * where S is `turned` with z.
 */
export const tileReadShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, ...reading } = JSON.parse(text) as TileKey & Reading;
  const { decay, x, terms, out, S, reversed, turned } = reading;
  const fading = decay !== 'none';
  const outer = decay === 'key' && turned;
  const reach = (t: string, d: string): string =>
    reversed ? `up(${t}, h, ${d})` : reaching(terms[0].strict, t, d);
  const beyond = (d: string): string =>
    `between(origin, end, h, ${reversed ? 'block + 1u, blocks' : '0u, block'}, ${d})`;
  const entry = turned ? 'j * p.D + d0 + i' : '(d0 + i) * p.J + j';
  const names = new Set([x, ...terms.flatMap(({ y, z }) => [y, z]), S, ...(fading ? ['factors'] : [])]);
  const sums = (diagonal: boolean): string =>
    terms.map((term) => termText(reading, term, diagonal)).join('\n');
  return shader({
    name: `matrixScan/tiles ${out}`,
    operands: [...[...names].map((name) => reads(name, 'f32', at[name])), writes('out', 'f32', at[out])],
    params: tileParams,
    workgroup: 64,
    declare: `${tileMemory}
${decay === 'head' ? keptMemory : ''}
${fading ? factorsText(decay, outer ? 'J' : 'D') : ''}
${outer ? keepsText : ''}`,
    main: `${placeOfTile('p.L')}
let t0 = origin + row0;
if (t0 >= end) { return; }
let block = row0 / 32u;
${decay === 'head' ? loadKept : ''}
let base = ((n * ${S === 'w' ? '(p.N + 1u) + c + 1u' : 'p.N + c'}) * p.H + h) * p.D * p.J;
for (var d0 = 0u; d0 < p.D; d0 += 32u) {
  ${loadRows('left[e % 32u * 8u + e / 32u]', elementAt(x, 't', 'd', 'p.D') + (fading && !outer ? ` * ${reach('t', 'd')} * ${beyond('d')}` : ''), 't0')}
  ${loadRight(`${S}(base + ${entry})${outer ? ` * ${beyond('j')}` : ''}`, 'p.D - d0')}
  ${multiply}
}
for (var other = ${reversed ? 'block + 1u; other < blocks' : '0u; other < block'}; other++) {
  ${sums(false)}
}
${outer ? each((row, j, number) => `if (t0 + ${row} < end) { ${number} *= ${reach(`(t0 + ${row})`, j)}; }`) : ''}
${sums(true)}
${each((row, j, number) => `if (t0 + ${row} < end) { set_out(((t0 + ${row}) * p.H + h) * p.J + ${j}, ${number}); }`)}`,
  });
});
