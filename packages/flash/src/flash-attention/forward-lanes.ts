// The forward shader for programs on the CPU that have subgroups.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { lseText } from './join-text.js';
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
import { headOf, resultText, rowText, scoreOperands, scoreText } from './text.js';
import type { Look } from './text.js';

interface LanesText {
  readonly look: Look;
  readonly cut: LanesCut;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** Operand numbers. */
  readonly at: { readonly o: number; readonly lse: number; readonly side: number; readonly tile: number };
}

/** Tiles lie in scratch: kernels of such programs begin by clearing workgroup memory, an instruction for each element. */
export const tileBytes = ({ queries, keys }: LanesCut): number => 4 * queries * keys;

const tile: Tile = {
  get: (n) => `tile(tile_at + ${n})`,
  set: (n, value) => `set_tile(tile_at + ${n}, ${value});`,
};

/** A subgroup has a tile, and some blocks of queries after each other, which meet the keys that they see by it. */
function mainText({ look, cut }: LanesText): string {
  const { queries, keys } = cut;
  const { D, V } = look;
  return `
  if (group >= p.groups) { return; }
  let N = p.T * p.R;
  let tile_at = group * ${(queries * keys) / 4}u;
  for (var block = group; block < p.B * p.G * p.blocks; block += p.groups) {
    let b = block / p.blocks / p.G;
    let g = block / p.blocks % p.G;
    let own = block % p.blocks * ${queries}u;
    let have = min(${queries}u, N - own);
    ${keysText}
    var begun = false;
    if (sgid == 0u) { for (var r = 0u; r < have; r++) { tops[r] = hidden; sums[r] = 0.0; } }
    workgroupBarrier();
    let range = keys_of(b, own / p.R, (own + have - 1u) / p.R);
    for (var j = range.x; j < range.y; j += ${keys}u) {
      let count = min(${keys}u, range.y - j);
      let fours = (count + 3u) / 4u;
      ${tileProductsText(tile, { name: 'q', at: (n) => queryAt('q', `min(own + ${n}, N - 1u)`) }, { name: 'k', at: (n) => keyAt('k', n) }, D, cut)}
      storageBarrier();
      for (var r = 0u; r < have; r++) {
        let w = row_of(b, g, own + r);
        var top = tops[r];
        for (var c = sgid; c < fours; c += ${lanes}u) {
          let n = r * ${keys / 4}u + c;
          let x = ${tile.get('n')};
          let s = ${fourText((e) => `select(hidden, score(w, j + 4u * c + ${e}u, x.${part(e)}).x, 4u * c + ${e}u < count)`)};
          ${tile.set('n', 's')}
          top = max(max(top, max(s.x, s.y)), max(s.z, s.w));
        }
        let m = subgroupMax(top);
        var l = 0.0;
        for (var c = sgid; c < fours; c += ${lanes}u) {
          let n = r * ${keys / 4}u + c;
          let s = ${tile.get('n')};
          let e = select(vec4<f32>(), exp(max(s - m, vec4<f32>(-150.0))), s > vec4<f32>(-1e29));
          l += e.x + e.y + e.z + e.w;
          ${tile.set('n', look.drops ? `e * ${fourText((e) => `kept(w, j + 4u * c + ${e}u)`)}` : 'e')}
        }
        l = subgroupAdd(l);
        if (sgid == 0u) {
          let f = ex(tops[r] - m);
          factors[r] = f;
          tops[r] = m;
          sums[r] = sums[r] * f + l;
        }
      }
      storageBarrier();
      workgroupBarrier();
      ${tileSumsText(
        tile,
        'queries',
        {
          name: 'o',
          at: (n) => resultAt(`(own + ${n})`, V),
          begun: 'begun',
          factor: (n) => `factors[${n}]`,
        },
        { name: 'v', at: (n) => keyAt('v', n) },
        V,
        cut,
      )}
      begun = true;
      storageBarrier();
      workgroupBarrier();
    }
    for (var r = 0u; r < have; r++) {
      let n = own + r;
      let at = ${resultAt('n', V)};
      let by = select(0.0, 1.0 / max(sums[r], 1e-37), sums[r] > 0.0);
      for (var u = sgid; u < ${V / 4}u; u += ${lanes}u) { put_o(at, u, select(vec4<f32>(), o_four(at, u) * by, begun)); }
      if (sgid == 0u) { set_lse((b * p.H + g * p.R + n % p.R) * p.T + n / p.R, lse_of(tops[r], sums[r])); }
    }
    workgroupBarrier();
  }`;
}

const shaders = /* @__PURE__ */ memo((key): GpuShader => {
  const spec = JSON.parse(key) as LanesText;
  const { look, cut, params, at } = spec;
  const head = headOf(look);
  return shader({
    name: 'flash/lanes',
    operands: [
      reads('q', head, 0),
      reads('k', head, 1),
      reads('v', head, 2),
      ...scoreOperands(look, 0, at.side),
      writes('o', 'f32x4', at.o),
      writes('lse', 'f32', at.lse),
      writes('tile', 'f32x4', at.tile),
    ],
    params,
    workgroup: lanes,
    enable: ['subgroups'],
    declare: `${rowText('q', look.D, true)}
${rowText('k', look.D, true)}
${rowText('v', look.V, true)}
${resultText('o', look.V, true)}
${scoreText(look)}
${lseText}
var<workgroup> tops: array<f32, ${cut.queries}>;
var<workgroup> sums: array<f32, ${cut.queries}>;
var<workgroup> factors: array<f32, ${cut.queries}>;`,
    main: mainText(spec),
  });
});

/** The forward shader of a cut; the last operand is `tileBytes` of scratch for each of `groups`. */
export function forwardLanesShader(spec: LanesText): GpuShader {
  return shaders(JSON.stringify(spec));
}
