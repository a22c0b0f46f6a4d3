// The backward shaders for programs on the CPU that have subgroups.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { errorText, queriesText } from './backward-text.js';
import type { BackwardPlaces } from './backward-text.js';
import { openText, queryAt, resultAt, tileProductsText, tileSumsText } from './lanes-text.js';
import type { LanesCut } from './lanes-text.js';
import { each, headOf, rowText, scoreOperands, scoreText } from './text.js';
import type { Look } from './text.js';

export interface BackwardLanes {
  readonly kind: 'queries' | 'keys';
  readonly look: Look;
  readonly cut: LanesCut;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  readonly at: BackwardPlaces;
}

/** Storage buffers of the shader that has most, beside a bias. */
export const backwardLanesOperands = 9;

/** What no other was met for is 0. */
const zeroText = (
  name: string,
  at: (r: number) => string,
  width: number,
  { rows, lanes }: LanesCut,
): string =>
  `for (var u = sgid; u < ${width}u; u += ${lanes}u) { ${each(rows, (r) => `set_${name}(${at(r)} + u, 0.0);`)} }`;

/** Queries meet the keys that they see. */
function queriesMain({ look, cut }: BackwardLanes): string {
  const { lanes, rows, others } = cut;
  const key = (name: string) => (c: number | string) =>
    `b * p.${name}_b + g * p.${name}_h + min(j + ${c}, p.S - 1u) * p.${name}_t`;
  const to = (r: number | string): string => `to${r}`;
  return `${openText(rows)}
  let range = keys_of(b, own / p.R, (min(own + ${rows}u, N) - 1u) / p.R);
  ${each(
    rows,
    (r) =>
      `let n${r} = min(own + ${r}u, N - 1u); let q${r} = ${queryAt('q', `n${r}`)}; let y${r} = ${queryAt('dy', `n${r}`)}; let to${r} = ${resultAt(`n${r}`, look.D)};`,
  )}
  for (var j = range.x; j < range.y; j += ${others}u) {
    let count = min(${others}u, range.y - j);
    ${tileProductsText('tile_a', { name: 'q', at: (r) => `q${r}` }, { name: 'k', at: key('k') }, look.D, cut)}
    ${tileProductsText('tile_b', { name: 'dy', at: (r) => `y${r}` }, { name: 'v', at: key('v') }, look.V, cut)}
    for (var r = 0u; r < ${rows}u; r++) {
      let w = row_of(b, g, min(own + r, N - 1u));
      let m = known(w);
      for (var c = sgid; c < ${others}u; c += ${lanes}u) {
        let n = r * ${others}u + c;
        tile_b[n] = select(0.0, weigh(w, m, j + c, tile_a[n], tile_b[n]).y, c < count);
      }
    }
    workgroupBarrier();
    ${tileSumsText('tile_b', { name: 'dq', at: to }, { name: 'k_one', at: key('k') }, look.D, cut)}
    begun = true;
    workgroupBarrier();
  }
  if (!begun) { ${zeroText('dq', to, look.D, cut)} }`;
}

/** Keys meet the queries of all heads that share them. */
function keysMain({ look, cut }: BackwardLanes): string {
  const { lanes, rows, others } = cut;
  const query = (name: string) => (c: number | string) => queryAt(name, `min(r0 + ${c}, N - 1u)`);
  const [tk, tv] = ['tk', 'tv'].map(
    (name) =>
      (r: number | string): string =>
        `${name}${r}`,
  );
  return `${openText(rows)}
  let queries = queries_of(b, own, min(own + ${rows}u, p.S));
  let last = queries.y * p.R;
  ${each(
    rows,
    (r) =>
      `let n${r} = min(own + ${r}u, p.S - 1u); let k${r} = b * p.k_b + n${r} * p.k_t + g * p.k_h; let v${r} = b * p.v_b + n${r} * p.v_t + g * p.v_h; let tk${r} = ((b * p.S + n${r}) * p.G + g) * ${look.D}u; let tv${r} = ((b * p.S + n${r}) * p.G + g) * ${look.V}u;`,
  )}
  for (var r0 = queries.x * p.R; r0 < last; r0 += ${others}u) {
    let count = min(${others}u, last - r0);
    ${tileProductsText('tile_a', { name: 'k', at: (r) => `k${r}` }, { name: 'q', at: query('q') }, look.D, cut)}
    ${tileProductsText('tile_b', { name: 'v', at: (r) => `v${r}` }, { name: 'dy', at: query('dy') }, look.V, cut)}
    for (var c = sgid; c < ${others}u; c += ${lanes}u) {
      let w = row_of(b, g, min(r0 + c, N - 1u));
      let m = known(w);
      for (var r = 0u; r < ${rows}u; r++) {
        let n = r * ${others}u + c;
        let z = select(vec3<f32>(), weigh(w, m, min(own + r, p.S - 1u), tile_a[n], tile_b[n]), c < count);
        tile_a[n] = z.x;
        tile_b[n] = z.y;
      }
    }
    workgroupBarrier();
    ${tileSumsText('tile_a', { name: 'dv', at: tv }, { name: 'dy_one', at: query('dy') }, look.V, cut)}
    ${tileSumsText('tile_b', { name: 'dk', at: tk }, { name: 'q_one', at: query('q') }, look.D, cut)}
    begun = true;
    workgroupBarrier();
  }
  if (!begun) { ${zeroText('dk', tk, look.D, cut)} ${zeroText('dv', tv, look.V, cut)} }`;
}

const shaders = /* @__PURE__ */ memo((text): GpuShader => {
  const spec = JSON.parse(text) as BackwardLanes;
  const { kind, look, cut, params, at } = spec;
  const [one, four] = [headOf({ ...look, four: false }), headOf(look)];
  const [q, k, v] = [at.from, at.from + 1, at.from + 2];
  const tile = `array<f32, ${cut.rows * cut.others}>`;
  const byQueries = kind === 'queries';
  return shader({
    name: `flash/lanes by ${kind}`,
    operands: [
      ...(byQueries
        ? [
            reads('q', one, q),
            reads('k', four, k),
            reads('k_one', one, k),
            reads('v', four, v),
            reads('dy', 'f32', at.dO),
          ]
        : [
            reads('k', one, k),
            reads('v', one, v),
            reads('q', four, q),
            reads('q_one', one, q),
            reads('dy', 'f32x4', at.dO),
            reads('dy_one', 'f32', at.dO),
          ]),
      ...scoreOperands({ ...look, packs: true }, at.from, at.side),
      ...(byQueries
        ? [writes('dq', 'f32', at.dq)]
        : [writes('dk', 'f32', at.dk), writes('dv', 'f32', at.dv)]),
    ],
    params,
    workgroup: cut.lanes,
    enable: ['subgroups'],
    declare: [
      rowText(byQueries ? 'k' : 'q', look.D, true),
      rowText(byQueries ? 'v' : 'dy', look.V, true),
      scoreText({ ...look, packs: true }),
      errorText(look.drops),
      queriesText(look),
      `var<workgroup> tile_a: ${tile};`,
      `var<workgroup> tile_b: ${tile};`,
    ].join('\n'),
    main: byQueries ? queriesMain(spec) : keysMain(spec),
  });
});

/** A subgroup owns `rows` queries or keys and meets `others` at a time, in 8 · rows · others bytes of workgroup memory. */
export function backwardLanesShader(spec: BackwardLanes): GpuShader {
  return shaders(JSON.stringify(spec));
}
