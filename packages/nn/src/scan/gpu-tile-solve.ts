// What erasing reads of its own chunk: a triangular system, solved by blocks of 32 positions, see gpu-tiles.ts.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { keptMemory, loadKept, termText } from './gpu-tile-terms.js';
import type { Term } from './gpu-tile-terms.js';
import {
  each,
  elementAt,
  factorsText,
  fours,
  loadRight,
  loadRows,
  multiply,
  placeOfTile,
  reaching,
  tileMemory,
  tileParams,
} from './gpu-tiles.js';
import type { TileKey } from './gpu-tiles.js';

/** A system: its rows, what they read beside the solution, or the values they begin with, and which way in time. */
export interface System {
  readonly x: string;
  readonly values?: string;
  readonly known?: Term;
  /** The operand that the solution meets. */
  readonly y: string;
  readonly reversed: boolean;
}

/** Four rows among themselves, then what all behind them read of these, eight times: acc ← (I − A)⁻¹ acc, A in `left`. */
const substitute = (reversed: boolean): string => {
  const order = reversed ? [3, 2, 1, 0] : [0, 1, 2, 3];
  return `
workgroupBarrier();
for (var step = 0u; step < 8u; step++) {
  let four = ${reversed ? '7u - step' : 'step'};
  if (ty == four) {
    ${order
      .flatMap((r, i) => order.slice(0, i).map((s) => [r, s]))
      .map(
        ([r, s]) => `{ let a = left[(4u * four + ${s}u) * 8u + ty][${r}];
    acc[${r}] += a * acc[${s}]; acc[${4 + r}] += a * acc[${4 + s}]; }`,
      )
      .join('\n')}
    ${fours(
      (r) => `right[(4u * four + ${r}u) * 16u + tx] = acc[${r}];
    right[(4u * four + ${r}u) * 16u + 8u + tx] = acc[${4 + r}];`,
    )}
  }
  workgroupBarrier();
  if (${reversed ? 'ty < four' : 'ty > four'}) {
    for (var s = 4u * four; s < 4u * four + 4u; s++) {
      let l = left[s * 8u + ty];
      let r0 = right[s * 16u + tx];
      let r1 = right[s * 16u + 8u + tx];
      ${fours((r) => `acc[${r}] += l[${r}] * r0; acc[${4 + r}] += l[${r}] * r1;`)}
    }
  }
}
workgroupBarrier();`;
};

/**
 * What erasing makes of a chunk that begins with S: U + W S, `solved` = [U | W] [B, T, H, V + K],
 *
 *   solved_t = [r_t | m_t x_t] + Σ_s A_ts solved_s      A_ts = M_ts (x_t · y_s), s < t, against time s > t
 *
 * with r_t the values or what t reads of those known. M_ts are the factors between the positions without that of the later
 * one, m_t those up to t, with time without its own. A workgroup solves 64 columns of a chunk, block by block.
 */
export const tileSolveShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, decay, x, values, known, y, reversed } = JSON.parse(text) as TileKey & System;
  const fading = decay !== 'none';
  const rows = { decay, x, reversed, turned: false };
  const unknown: Term = { y, z: 'solved', strict: true };
  const reach = reversed ? 'up(t, h, d)' : reaching(true, 't', 'd');
  const beyond = `between(origin, end, h, ${reversed ? 'block + 1u, blocks' : '0u, block'}, d)`;
  const names = [x, y, ...(values ? [values] : []), ...(known ? [known.y, known.z] : [])];
  const given = (diagonal: boolean): string =>
    known ? termText({ ...rows, columns: 'V' }, known, diagonal) : '';
  return shader({
    name: `matrixScan/tiles ${reversed ? 'solve back' : 'solve'}`,
    operands: [
      ...[...new Set([...names, ...(fading ? ['factors'] : [])])].map((name) => reads(name, 'f32', at[name])),
      writes('solved', 'f32', at['solved']),
    ],
    params: tileParams,
    workgroup: 64,
    declare: `${tileMemory}
${decay === 'head' ? keptMemory : ''}
${fading ? factorsText(decay, 'D') : ''}`,
    main: `${placeOfTile('1u')}
let V = p.J - p.D;
for (var done = 0u; done < blocks; done++) {
  let block = ${reversed ? 'blocks - 1u - done' : 'done'};
  let t0 = origin + block * 32u;
  ${decay === 'head' ? loadKept : ''}
  acc = array<vec4<f32>, 8>();
  ${each(
    (row, j, number) => `let t = t0 + ${row};
    if (t < end && ${j} >= V) {
      let d = ${j} - V;
      ${number} = ${elementAt(x, 't', 'd', 'p.D')}${fading ? ` * ${reach} * ${beyond}` : ''};
    }
    ${values ? `if (t < end && ${j} < V) { ${number} = ${elementAt(values, 't', j, 'V')}; }` : ''}`,
  )}
  for (var other = ${reversed ? 'block + 1u; other < blocks' : '0u; other < block'}; other++) {
    ${given(false)}
    ${termText(rows, unknown, false)}
  }
  ${given(true)}
  ${termText(rows, unknown, true, substitute(reversed))}
  ${each((row, j, number) => `if (t0 + ${row} < end) { set_solved(((t0 + ${row}) * p.H + h) * p.J + ${j}, ${number}); }`)}
  storageBarrier();
}`,
  });
});

/** What erasing made of a chunk, or against time its gradient: U + W S, with the state it begins with or what comes behind. */
export const tileWriteShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, out, S } = JSON.parse(text) as TileKey & { out: string; S: 'states' | 'w' };
  return shader({
    name: `matrixScan/tiles ${out}`,
    operands: [reads('solved', 'f32', at['solved']), reads(S, 'f32', at[S]), writes('out', 'f32', at[out])],
    params: tileParams,
    workgroup: 64,
    declare: tileMemory,
    main: `${placeOfTile('p.L')}
let t0 = origin + row0;
if (t0 >= end) { return; }
let base = ((n * ${S === 'w' ? '(p.N + 1u) + c + 1u' : 'p.N + c'}) * p.H + h) * p.D * p.J;
let width = p.J + p.D;
${each((row, j, number) => `if (t0 + ${row} < end) { ${number} = solved(((t0 + ${row}) * p.H + h) * width + ${j}); }`)}
for (var d0 = 0u; d0 < p.D; d0 += 32u) {
  ${loadRows('left[e % 32u * 8u + e / 32u]', 'solved((t * p.H + h) * width + p.J + d)', 't0')}
  ${loadRight(`${S}(base + (d0 + i) * p.J + j)`, 'p.D - d0')}
  ${multiply}
}
${each((row, j, number) => `if (t0 + ${row} < end) { set_out(((t0 + ${row}) * p.H + h) * p.J + ${j}, ${number}); }`)}`,
  });
});
