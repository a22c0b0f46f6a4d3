// The forward shaders: an invocation owns some queries and meets the keys one handful after the other.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';
import { productsText, scaledText, sumsText } from './direct-text.js';
import { joinText, lseText } from './join-text.js';
import {
  each,
  elementOf,
  fours,
  headOf,
  resultText,
  rowText,
  scoreOperands,
  scoreText,
  upTo,
} from './text.js';
import type { Look } from './text.js';

/** How the work is cut. */
export interface ForwardCut {
  /** Queries of an invocation. */
  readonly rows: number;
  /** Invocations of a workgroup. */
  readonly lanes: number;
  /** Keys looked at together. */
  readonly keys: number;
  /** Keys of a tile in workgroup memory; 0: keys come from storage. */
  readonly tile: number;
  /** Lanes share queries and each takes a part of the keys; results are parts to be joined. */
  readonly split: boolean;
  /** The lanes of a workgroup have all keys and join their parts themselves; otherwise `joinShader` does. */
  readonly joins: boolean;
}

interface ForwardText {
  readonly look: Look;
  readonly cut: ForwardCut;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  /** Operand numbers. */
  readonly at: { readonly o: number; readonly lse: number; readonly side: number; readonly parts: number };
}

/** Scores of a handful of keys become weights; the largest score, the sum and the factor of what was before. */
function softmaxText(look: Look, { rows, keys }: ForwardCut): string {
  return each(
    rows,
    (r) => `${each(keys, (c) => `s${r}_${c} = score(w${r}, j + ${c}u, s${r}_${c}).x;`)}
  let top${r} = ${upTo(keys).reduce((m, c) => `max(${m}, s${r}_${c})`, `m${r}`)};
  let f${r} = ex(m${r} - top${r});
  m${r} = top${r};
  ${each(keys, (c) => `s${r}_${c} = select(0.0, ex(s${r}_${c} - top${r}), s${r}_${c} > -1e29);`)}
  l${r} = l${r} * f${r} + (${upTo(keys)
    .map((c) => `s${r}_${c}`)
    .join(' + ')});
  ${look.drops ? each(keys, (c) => `s${r}_${c} *= kept(w${r}, j + ${c}u);`) : ''}`,
  );
}

/** Rows with their places among the operands; sums wait at `to`. */
const openText = (rows: number, to: (r: number) => string): string => `
  let k_at = b * p.k_b + g * p.k_h;
  let v_at = b * p.v_b + g * p.v_h;
  ${each(
    rows,
    (
      r,
    ) => `let w${r} = row_of(b, g, min(row + ${r}u, N - 1u)); let q${r} = b * p.q_b + w${r}.i * p.q_t + w${r}.h * p.q_h; let o${r} = ${to(r)};
  var m${r} = hidden; var l${r} = 0.0;`,
  )}`;

/** Keys from storage, sums in the results or, of a split, in its parts. */
function directText({ look, cut }: ForwardText): string {
  const { rows, lanes, keys, split, joins } = cut;
  const [D4, V4] = [fours(look.D), fours(look.V)];
  const name = split ? 'parts' : 'o';
  const to = (r: number): string =>
    split
      ? `4u * (((unit / p.blocks * N + min(row + ${r}u, N - 1u)) * p.chunks * ${lanes}u + part) * ${V4 + 1}u + 1u)`
      : `((b * p.T + w${r}.i) * p.H + w${r}.h) * ${look.V}u`;
  return `
  ${openText(rows, to)}
  if (row >= N) { return; }
  ${each(rows, (r) => `let live${r} = row + ${r}u < N;`)}
  ${scaledText(name, 'o', rows, '0.0', V4)}
  for (var j = range.x; j < range.y; j += ${keys}u) {
  ${each(keys, (c) => `let n${c} = min(j + ${c}u, p.S - 1u); let k${c} = k_at + n${c} * p.k_t; let v${c} = v_at + n${c} * p.v_t;`)}
  ${productsText('s', { name: 'q', at: 'q', count: rows }, { name: 'k', at: 'k', count: keys }, D4)}
  ${softmaxText(look, cut)}
  ${sumsText({ name, at: 'o', count: rows, factor: 'f' }, { name: 'v', at: 'v', count: keys, weight: 's' }, V4)}
  }
  ${
    split
      ? each(rows, (r) => `if (live${r}) { set_parts(o${r} / 4u - 1u, vec4<f32>(m${r}, l${r}, 0.0, 0.0)); }`)
      : `${each(rows, (r) => `let y${r} = select(0.0, 1.0 / max(l${r}, 1e-37), l${r} > 0.0);`)}
  ${scaledText('o', 'o', rows, 'y', V4)}
  ${each(rows, (r) => `if (live${r}) { set_lse((b * p.H + w${r}.h) * p.T + w${r}.i, lse_of(m${r}, l${r})); }`)}`
  }
  ${
    joins
      ? `storageBarrier();
  workgroupBarrier();
  for (var n = lix; n < ${rows * V4}u; n += ${lanes}u) {
    if (row + n / ${V4}u < N) { join(unit / p.blocks * N + row + n / ${V4}u, n % ${V4}u, ${lanes}u); }
  }`
      : ''
  }`;
}

/** Keys and values of a tile in workgroup memory, one query an invocation, its sums in registers. */
function tiledText({ look, cut }: ForwardText): string {
  const { lanes, keys, tile } = cut;
  const [D4, V4] = [fours(look.D), fours(look.V)];
  return `
  ${openText(1, () => `((b * p.T + w0.i) * p.H + w0.h) * ${look.V}u`)}
  ${each(D4, (d) => `let q0_${d} = q_four(q0, ${d}u);`)}
  ${each(V4, (d) => `var a${d} = vec4<f32>();`)}
  for (var j0 = range.x; j0 < range.y; j0 += ${tile}u) {
    workgroupBarrier();
    for (var n = lix; n < ${tile * D4}u; n += ${lanes}u) { tile_k[n] = k_four(k_at + min(j0 + n / ${D4}u, p.S - 1u) * p.k_t, n % ${D4}u); }
    for (var n = lix; n < ${tile * V4}u; n += ${lanes}u) { tile_v[n] = v_four(v_at + min(j0 + n / ${V4}u, p.S - 1u) * p.v_t, n % ${V4}u); }
    workgroupBarrier();
    for (var c = 0u; c < ${tile}u; c += ${keys}u) {
      let j = j0 + c;
      if (j >= range.y) { break; }
      ${each(
        keys,
        (c) =>
          `var s0_${c} = 0.0; ${upTo(D4)
            .map((d) => `s0_${c} += dot(q0_${d}, tile_k[(c + ${c}u) * ${D4}u + ${d}u]);`)
            .join(' ')}`,
      )}
      ${softmaxText(look, cut)}
      ${each(
        V4,
        (d) =>
          `a${d} = a${d} * f0 + (${upTo(keys)
            .map((c) => `s0_${c} * tile_v[(c + ${c}u) * ${V4}u + ${d}u]`)
            .join(' + ')});`,
      )}
    }
  }
  if (row < N) {
    let by = select(0.0, 1.0 / max(l0, 1e-37), l0 > 0.0);
    ${each(V4, (d) => `put_o(o0, ${d}u, a${d} * by);`)}
    set_lse((b * p.H + w0.h) * p.T + w0.i, lse_of(m0, l0));
  }`;
}

function mainText(spec: ForwardText): string {
  const { rows, lanes, keys, tile, split } = spec.cut;
  const span = split ? rows : rows * lanes;
  // In a split all lanes of a workgroup have the same rows.
  return `
  let unit = ${split ? 'group / p.chunks' : 'group'};
  if (unit >= p.B * p.G * p.blocks) { return; }
  let block = unit % p.blocks;
  let b = unit / p.blocks / p.G;
  let g = unit / p.blocks % p.G;
  let N = p.T * p.R;
  let row = ${split ? `block * ${rows}u` : `(block * ${lanes}u + lix) * ${rows}u`};
  let top_row = block * ${span}u;
  var range = keys_of(b, top_row / p.R, (min(top_row + ${span}u, N) - 1u) / p.R);
  ${
    split
      ? `let part = group % p.chunks * ${lanes}u + lix;
  let handfuls = (max(range.y, range.x) - range.x + ${keys - 1}u) / ${keys}u;
  let share = ${keys}u * ((handfuls + p.chunks * ${lanes}u - 1u) / (p.chunks * ${lanes}u));
  range = vec2<u32>(range.x + part * share, min(range.y, range.x + (part + 1u) * share));`
      : ''
  }
  ${tile > 0 ? tiledText(spec) : directText(spec)}`;
}

/**
 * Forward. Direct: a workgroup has `lanes` × `rows` queries of one batch row and key head, registers only. Tiled: the
 * same with `tile` keys and values in workgroup memory, 16 · tile · ⌈D/4⌉ + 16 · tile · ⌈V/4⌉ bytes, at most 16 KiB.
 * Split: a workgroup has `rows` queries, each lane a part of the keys; their results meet in storage.
 */
const forwardShaders = /* @__PURE__ */ memo((text): GpuShader => {
  const spec = JSON.parse(text) as ForwardText;
  const { look, cut, params, at } = spec;
  const element = elementOf(look);
  const out: Operand[] = [
    ...(cut.split ? [writes('parts', 'f32x4', at.parts)] : []),
    ...(cut.split && !cut.joins ? [] : [writes('o', element, at.o), writes('lse', 'f32', at.lse)]),
  ];
  return shader({
    name: `flash/${cut.split ? 'split' : cut.tile > 0 ? 'tiled' : 'direct'}`,
    operands: [
      ...['q', 'k', 'v'].map((name, n) => reads(name, headOf(look), n)),
      ...scoreOperands(look, 0, at.side),
      ...out,
    ],
    params,
    workgroup: cut.lanes,
    declare: `${rowText('q', look.D, look.four)}
${rowText('k', look.D, look.four)}
${rowText('v', look.V, look.four)}
${cut.split ? resultText('parts', 4 * fours(look.V), true) : ''}
${cut.split && !cut.joins ? '' : resultText('o', look.V, look.four)}
${scoreText(look)}
${cut.joins ? joinText(look) : lseText}
${
  cut.tile > 0
    ? `var<workgroup> tile_k: array<vec4<f32>, ${cut.tile * fours(look.D)}>;
var<workgroup> tile_v: array<vec4<f32>, ${cut.tile * fours(look.V)}>;`
    : ''
}`,
    main: mainText(spec),
  });
});

export function forwardShader(text: ForwardText): GpuShader {
  return forwardShaders(JSON.stringify(text));
}
