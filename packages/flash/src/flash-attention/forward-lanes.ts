// The forward shader for programs on the CPU that have subgroups.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { lseText } from './join-text.js';
import { openText, queryAt, resultAt, tileProductsText, tileSumsText } from './lanes-text.js';
import type { LanesCut } from './lanes-text.js';
import { each, headOf, rowText, scoreOperands, scoreText } from './text.js';
import type { Look } from './text.js';

interface LanesText {
  readonly look: Look;
  readonly cut: LanesCut;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** Operand numbers. */
  readonly at: { readonly o: number; readonly lse: number; readonly side: number };
}

function mainText({ look, cut }: LanesText): string {
  const { lanes, rows, others } = cut;
  return `${openText(rows)}
  let range = keys_of(b, own / p.R, (min(own + ${rows}u, N) - 1u) / p.R);
  let k_at = b * p.k_b + g * p.k_h;
  let v_at = b * p.v_b + g * p.v_h;
  ${each(
    rows,
    (r) =>
      `let n${r} = min(own + ${r}u, N - 1u); let q${r} = ${queryAt('q', `n${r}`)}; let o${r} = ${resultAt(`n${r}`, look.V)};`,
  )}
  if (sgid == 0u) { for (var r = 0u; r < ${rows}u; r++) { tops[r] = hidden; sums[r] = 0.0; } }
  workgroupBarrier();
  for (var j = range.x; j < range.y; j += ${others}u) {
    let count = min(${others}u, range.y - j);
    ${tileProductsText('tile', { name: 'q', at: (r) => `q${r}` }, { name: 'k', at: (c) => `k_at + min(j + ${c}, p.S - 1u) * p.k_t` }, look.D, cut)}
    for (var r = 0u; r < ${rows}u; r++) {
      let w = row_of(b, g, min(own + r, N - 1u));
      var top = tops[r];
      for (var c = sgid; c < ${others}u; c += ${lanes}u) {
        let s = select(hidden, score(w, j + c, tile[r * ${others}u + c]).x, c < count);
        tile[r * ${others}u + c] = s;
        top = max(top, s);
      }
      let m = subgroupMax(top);
      var l = 0.0;
      for (var c = sgid; c < ${others}u; c += ${lanes}u) {
        let s = tile[r * ${others}u + c];
        let e = select(0.0, ex(s - m), s > -1e29);
        l += e;
        tile[r * ${others}u + c] = e${look.drops ? ' * kept(w, j + c)' : ''};
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
      'tile',
      { name: 'o', at: (r) => `o${r}`, before: (r) => `factors[${r}]` },
      { name: 'v', at: (n) => `v_at + min(j + ${n}, p.S - 1u) * p.v_t` },
      look.V,
      cut,
    )}
    begun = true;
    workgroupBarrier();
  }
  for (var r = 0u; r < ${rows}u; r++) {
    let n = own + r;
    if (n >= N) { break; }
    let at = ${resultAt('n', look.V)};
    let by = select(0.0, 1.0 / max(sums[r], 1e-37), sums[r] > 0.0);
    for (var u = sgid; u < ${look.V}u; u += ${lanes}u) { set_o(at + u, select(0.0, o(at + u) * by, begun)); }
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
var<workgroup> tile: array<f32, ${cut.rows * cut.others}>;
var<workgroup> tops: array<f32, ${cut.rows}>;
var<workgroup> sums: array<f32, ${cut.rows}>;
var<workgroup> factors: array<f32, ${cut.rows}>;`,
    main: mainText(spec),
  });
});

/** A subgroup has `rows` queries and meets `others` keys at a time, in 4 · rows · (others + 3) bytes of workgroup memory. */
export function forwardLanesShader(spec: LanesText): GpuShader {
  return shaders(JSON.stringify(spec));
}
