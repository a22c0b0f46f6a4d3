// The backward shader for programs on the CPU that have subgroups.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { errorText } from './backward-text.js';
import type { BackwardPlaces } from './backward-text.js';
import {
  fourText,
  keyAt,
  keysText,
  lanes,
  part,
  queryAt,
  resultAt,
  tileProductsText,
  tileSumsText,
} from './lanes-text.js';
import type { LanesCut, Tile } from './lanes-text.js';
import { each, headOf, resultText, rowText, scoreOperands, scoreText } from './text.js';
import type { Look } from './text.js';

export interface BackwardLanes {
  readonly look: Look;
  readonly cut: LanesCut;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  readonly at: BackwardPlaces;
}

/** Storage buffers of the shader, beside a bias. */
export const backwardLanesOperands = 9;

/** Scratch bytes of a key head. */
export const tilesBytes = ({ queries, keys }: LanesCut): number => 8 * queries * keys;

const tileAt = (from: string): Tile => ({
  get: (n) => `tiles(${from} + ${n})`,
  set: (n, value) => `set_tiles(${from} + ${n}, ${value});`,
});

/**
 * A subgroup has a key head: its queries, by the tile, meet the keys that they see. So every score and weight is
 * computed once, and all gradients of the head have one owner.
 */
function mainText({ look, cut }: BackwardLanes): string {
  const { queries, keys } = cut;
  const { D, V } = look;
  const query = (name: string) => ({ name, at: (n: string): string => `${name}_at[${n}]` });
  const key = (name: 'k' | 'v') => ({ name, at: (n: string): string => keyAt(name, n) });
  const result = (name: string, width: number) => ({
    name,
    at: (n: string): string => `(key_row + ${n} * rows) * ${width}u`,
  });
  const zero = (name: string, at: string, width: number): string =>
    `for (var u = sgid; u < ${width / 4}u; u += ${lanes}u) { put_${name}(${at}, u, vec4<f32>()); }`;
  const [scores, errors] = [tileAt('tile_a'), tileAt('tile_b')];
  return `
  if (group >= p.B * p.G) { return; }
  let b = group / p.G;
  let g = group % p.G;
  let N = p.T * p.R;
  let rows = p.G;
  let tile_a = group * ${(queries * keys) / 2}u;
  let tile_b = tile_a + ${(queries * keys) / 4}u;
  ${keysText}
  for (var n = b * p.S * rows + g; n < (b + 1u) * p.S * rows; n += rows) {
    ${zero('dk', `n * ${D}u`, D)}
    ${zero('dv', `n * ${V}u`, V)}
  }
  for (var own = 0u; own < N; own += ${queries}u) {
    let have = min(${queries}u, N - own);
    var begun = false;
    for (var r = sgid; r < ${queries}u; r += ${lanes}u) {
      let n = min(own + r, N - 1u);
      q_at[r] = ${queryAt('q', 'n')};
      dy_at[r] = ${queryAt('dy', 'n')};
      dq_at[r] = ${resultAt('n', D)};
    }
    workgroupBarrier();
    let range = keys_of(b, own / p.R, (own + have - 1u) / p.R);
    for (var j = range.x; j < range.y; j += ${keys}u) {
      let count = min(${keys}u, range.y - j);
      let key_row = (b * p.S + j) * rows + g;
      ${tileProductsText(scores, query('q'), key('k'), D, cut)}
      ${tileProductsText(errors, query('dy'), key('v'), V, cut)}
      let fours = (count + 3u) / 4u;
      for (var r = 0u; r < (have + 3u) / 4u * 4u; r++) {
        let w = row_of(b, g, min(own + r, N - 1u));
        let m = known(w);
        for (var c = sgid; c < fours; c += ${lanes}u) {
          let n = r * ${keys / 4}u + c;
          let s = ${scores.get('n')};
          let e = ${errors.get('n')};
          ${each(4, (i) => `let z${i} = select(vec3<f32>(), weigh(w, m, j + 4u * c + ${i}u, s.${part(i)}, e.${part(i)}), r < have && 4u * c + ${i}u < count);`)}
          ${scores.set(
            'n',
            fourText((i) => `z${i}.x`),
          )}
          ${errors.set(
            'n',
            fourText((i) => `z${i}.y`),
          )}
        }
      }
      storageBarrier();
      ${tileSumsText(scores, 'keys', result('dv', V), query('dy'), V, cut)}
      ${tileSumsText(errors, 'keys', result('dk', D), query('q'), D, cut)}
      ${tileSumsText(errors, 'queries', { ...query('dq'), begun: 'begun' }, key('k'), D, cut)}
      begun = true;
      storageBarrier();
    }
    if (!begun) { for (var r = 0u; r < have; r++) { ${zero('dq', 'dq_at[r]', D)} } }
    workgroupBarrier();
  }`;
}

const shaders = /* @__PURE__ */ memo((text): GpuShader => {
  const spec = JSON.parse(text) as BackwardLanes;
  const { look, cut, params, at } = spec;
  const four = headOf(look);
  return shader({
    name: 'flash/lanes backward',
    operands: [
      reads('q', four, at.from),
      reads('k', four, at.from + 1),
      reads('v', four, at.from + 2),
      reads('dy', 'f32x4', at.dO),
      ...scoreOperands({ ...look, packs: true }, at.from, at.side),
      writes('dq', 'f32x4', at.dq),
      writes('dk', 'f32x4', at.dk),
      writes('dv', 'f32x4', at.dv),
      writes('tiles', 'f32x4', at.side + 1),
    ],
    params,
    workgroup: lanes,
    enable: ['subgroups'],
    declare: [
      rowText('q', look.D, true),
      rowText('k', look.D, true),
      rowText('v', look.V, true),
      rowText('dy', look.V, true),
      resultText('dq', look.D, true),
      resultText('dk', look.D, true),
      resultText('dv', look.V, true),
      scoreText({ ...look, packs: true }),
      errorText(look.drops),
      ...['q', 'dy', 'dq'].map((name) => `var<workgroup> ${name}_at: array<u32, ${cut.queries}>;`),
    ].join('\n'),
    main: mainText(spec),
  });
});

/** The shader of a cut; `tilesBytes` of scratch for each key head follow the operand `side`. */
export function backwardLanesShader(spec: BackwardLanes): GpuShader {
  return shaders(JSON.stringify(spec));
}
