// The forward shader for programs on the CPU that have subgroups.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { lseText } from './join-text.js';
import { keyAt, keysText, queryAt, resultAt, tileProductsText, tileSumsText } from './lanes-text.js';
import type { LanesCut, Tile } from './lanes-text.js';
import { headOf, rowText, scoreOperands, scoreText } from './text.js';
import type { Look } from './text.js';

interface LanesText {
  readonly look: Look;
  readonly cut: LanesCut;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** Operand numbers. */
  readonly at: { readonly o: number; readonly lse: number; readonly side: number };
}

const tile: Tile = { get: (n) => `tile[${n}]`, set: (n, value) => `tile[${n}] = ${value};` };

/** A subgroup has some queries of a group, which meet the keys that they see by the tile. */
function mainText({ look, cut }: LanesText): string {
  const { lanes, queries, keys } = cut;
  const { D, V } = look;
  return `
  if (group >= p.B * p.G * p.blocks) { return; }
  let b = group / p.blocks / p.G;
  let g = group / p.blocks % p.G;
  let N = p.T * p.R;
  let own = group % p.blocks * ${queries}u;
  let have = min(${queries}u, N - own);
  let quad = sgid & 3u;
  ${keysText}
  var begun = false;
  if (sgid == 0u) { for (var r = 0u; r < have; r++) { tops[r] = hidden; sums[r] = 0.0; } }
  workgroupBarrier();
  let range = keys_of(b, own / p.R, (own + have - 1u) / p.R);
  for (var j = range.x; j < range.y; j += ${keys}u) {
    let count = min(${keys}u, range.y - j);
    ${tileProductsText(tile, { name: 'q', at: (n) => queryAt('q', `min(own + ${n}, N - 1u)`) }, { name: 'k', at: (n) => keyAt('k', n) }, D, cut)}
    for (var r = 0u; r < have; r++) {
      let w = row_of(b, g, own + r);
      var top = tops[r];
      for (var c = sgid; c < ${keys}u; c += ${lanes}u) {
        let s = select(hidden, score(w, j + c, tile[r * ${keys}u + c]).x, c < count);
        tile[r * ${keys}u + c] = s;
        top = max(top, s);
      }
      let m = subgroupMax(top);
      var l = 0.0;
      for (var c = sgid; c < ${keys}u; c += ${lanes}u) {
        let s = tile[r * ${keys}u + c];
        let e = select(0.0, ex(s - m), s > -1e29);
        l += e;
        tile[r * ${keys}u + c] = e${look.drops ? ' * kept(w, j + c)' : ''};
      }
      l = subgroupAdd(l);
      if (sgid == 0u) {
        let f = ex(tops[r] - m);
        factors[r] = f;
        tops[r] = m;
        sums[r] = sums[r] * f + l;
      }
    }
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
    workgroupBarrier();
  }
  for (var r = 0u; r < have; r++) {
    let n = own + r;
    let at = ${resultAt('n', V)};
    let by = select(0.0, 1.0 / max(sums[r], 1e-37), sums[r] > 0.0);
    for (var u = sgid; u < ${V}u; u += ${lanes}u) { set_o(at + u, select(0.0, o(at + u) * by, begun)); }
    if (sgid == 0u) { set_lse((b * p.H + g * p.R + n % p.R) * p.T + n / p.R, lse_of(tops[r], sums[r])); }
  }`;
}

const shaders = /* @__PURE__ */ memo((key): GpuShader => {
  const spec = JSON.parse(key) as LanesText;
  const { look, cut, params, at } = spec;
  const one = headOf({ ...look, four: false });
  return shader({
    name: 'flash/lanes',
    operands: [
      reads('q', one, 0),
      reads('k', headOf(look), 1),
      reads('v', one, 2),
      ...scoreOperands(look, 0, at.side),
      writes('o', 'f32', at.o),
      writes('lse', 'f32', at.lse),
    ],
    params,
    workgroup: cut.lanes,
    enable: ['subgroups'],
    declare: `${rowText('k', look.D, true)}
${scoreText(look)}
${lseText}
var<workgroup> tile: array<f32, ${cut.queries * cut.keys}>;
var<workgroup> tops: array<f32, ${cut.queries}>;
var<workgroup> sums: array<f32, ${cut.queries}>;
var<workgroup> factors: array<f32, ${cut.queries}>;`,
    main: mainText(spec),
  });
});

/** The forward shader of a cut, in 4 · queries · (keys + 3) bytes of workgroup memory. */
export function forwardLanesShader(spec: LanesText): GpuShader {
  return shaders(JSON.stringify(spec));
}
