// The backward shaders. Every gradient has one owner: queries own dq, keys own dk and dv, elements of a bias theirs.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { productsText, scaledText, sumsText } from './direct-text.js';
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

/** How the work is cut: owners of an invocation, invocations of a workgroup, others met together, tile (0: none). */
export interface BackwardCut {
  readonly rows: number;
  readonly lanes: number;
  readonly meets: number;
  readonly tile: number;
}

/** Operand numbers; those of the forward op begin at `from`. */
export interface BackwardPlaces {
  readonly from: number;
  readonly dO: number;
  readonly dLse: number;
  readonly o: number;
  readonly lse: number;
  readonly dq: number;
  readonly dk: number;
  readonly dv: number;
  readonly dBias: number;
  readonly side: number;
}

export interface BackwardText {
  readonly kind: 'statistics' | 'queries' | 'keys' | 'bias';
  readonly look: Look;
  readonly cut: BackwardCut;
  readonly byLse: boolean;
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  readonly at: BackwardPlaces;
}

const word = (x: string): string => `bitcast<f32>(side(${x}))`;

/** lse and δ = do · o − dlse of a query, read by all other passes. */
const statisticsMain = ({ look: { V }, byLse }: BackwardText): string => `
  if (linear >= p.B * p.H * p.T) { return; }
  let i = linear % p.T;
  let h = linear / p.T % p.H;
  let b = linear / p.T / p.H;
  let x = b * p.dy_b + i * p.dy_t + h * p.dy_h;
  let y = ((b * p.T + i) * p.H + h) * ${V}u;
  // In the order in which products of gradients and values add up, so that a single key gets an exact zero.
  var delta = 0.0;
  for (var d = 0u; d < ${fours(V)}u; d++) { delta += dot(dy_four(x, d), o_four(y, d)); }
  ${byLse ? 'delta -= dlse(b * p.dl_b + h * p.dl_h + i * p.dl_t);' : ''}
  set_side(2u * linear, bitcast<u32>(lse(linear)));
  set_side(2u * linear + 1u, bitcast<u32>(delta));`;

/** Statistics of query w: (lse, δ). Weight and error of its score of key j from their two products: (p, z p, ds). */
export const errorText = (drops: boolean): string => `
fn known(w: Row) -> vec2<f32> {
  let n = 2u * ((w.b * p.H + w.h) * p.T + w.i);
  return vec2<f32>(${word('n')}, ${word('n + 1u')});
}
fn weigh(w: Row, m: vec2<f32>, j: u32, product: f32, by: f32) -> vec3<f32> {
  let s = score(w, j, product);
  let weight = select(0.0, ex(s.x - m.x), s.x > -1e29);
  let z = ${drops ? 'kept(w, j)' : '1.0'};
  let e = weight * (by * z - m.y);
  return vec3<f32>(weight * z, e * s.y * p.scale, e);
}`;

const openText = (rows: number, lanes: number): string => `
  if (group >= p.B * p.G * p.blocks) { return; }
  let block = group % p.blocks;
  let b = group / p.blocks / p.G;
  let g = group / p.blocks % p.G;
  let N = p.T * p.R;
  let own = (block * ${lanes}u + lix) * ${rows}u;
  let low = block * ${rows * lanes}u;`;

/** Fills the two tiles: rows `x_at` apart of two operands. */
function fillText(
  lanes: number,
  tile: number,
  D4: number,
  V4: number,
  a: (n: string) => string,
  b: (n: string) => string,
): string {
  return `
    workgroupBarrier();
    for (var n = lix; n < ${tile * D4}u; n += ${lanes}u) { tile_a[n] = ${a(`n / ${D4}u`)}, n % ${D4}u); }
    for (var n = lix; n < ${tile * V4}u; n += ${lanes}u) { tile_b[n] = ${b(`n / ${V4}u`)}, n % ${V4}u); }
    workgroupBarrier();`;
}

/** Queries meet the keys that they see. */
function queriesMain({ look, cut }: BackwardText): string {
  const { rows, lanes, meets, tile } = cut;
  const [D4, V4] = [fours(look.D), fours(look.V)];
  const weigh = each(rows, (r) =>
    each(meets, (c) => `e${r}_${c} = weigh(w${r}, m${r}, j + ${c}u, s${r}_${c}, e${r}_${c}).y;`),
  );
  const open = `${openText(rows, lanes)}
  let range = keys_of(b, low / p.R, (min(low + ${rows * lanes}u, N) - 1u) / p.R);
  let k_at = b * p.k_b + g * p.k_h;
  let v_at = b * p.v_b + g * p.v_h;
  ${each(
    rows,
    (
      r,
    ) => `let w${r} = row_of(b, g, min(own + ${r}u, N - 1u)); let m${r} = known(w${r}); let q${r} = b * p.q_b + w${r}.i * p.q_t + w${r}.h * p.q_h; let y${r} = b * p.dy_b + w${r}.i * p.dy_t + w${r}.h * p.dy_h;
  let to${r} = ((b * p.T + w${r}.i) * p.H + w${r}.h) * ${look.D}u;`,
  )}`;
  if (tile === 0)
    return `${open}
  if (own >= N) { return; }
  ${each(rows, (r) => `let live${r} = own + ${r}u < N;`)}
  ${scaledText('dq', 'to', rows, '0.0', D4)}
  for (var j = range.x; j < range.y; j += ${meets}u) {
  ${each(meets, (c) => `let n${c} = min(j + ${c}u, p.S - 1u); let k${c} = k_at + n${c} * p.k_t; let v${c} = v_at + n${c} * p.v_t;`)}
  ${productsText('s', { name: 'q', at: 'q', count: rows }, { name: 'k', at: 'k', count: meets }, D4)}
  ${productsText('e', { name: 'dy', at: 'y', count: rows }, { name: 'v', at: 'v', count: meets }, V4)}
  ${weigh}
  ${sumsText({ name: 'dq', at: 'to', count: rows }, { name: 'k', at: 'k', count: meets, weight: 'e' }, D4)}
  }`;
  return `${open}
  ${each(D4, (d) => `let q0_${d} = q_four(q0, ${d}u); var a${d} = vec4<f32>();`)}
  ${each(V4, (d) => `let y0_${d} = dy_four(y0, ${d}u);`)}
  for (var j0 = range.x; j0 < range.y; j0 += ${tile}u) {
    ${fillText(
      lanes,
      tile,
      D4,
      V4,
      (n) => `k_four(k_at + min(j0 + ${n}, p.S - 1u) * p.k_t`,
      (n) => `v_four(v_at + min(j0 + ${n}, p.S - 1u) * p.v_t`,
    )}
    for (var c = 0u; c < ${tile}u; c += ${meets}u) {
      let j = j0 + c;
      if (j >= range.y) { break; }
      ${tileProducts('s', 'q0', 'tile_a', meets, D4)}
      ${tileProducts('e', 'y0', 'tile_b', meets, V4)}
      ${weigh}
      ${tileSums('a', 'e', 'tile_a', meets, D4)}
    }
  }
  if (own < N) { ${each(D4, (d) => `put_dq(to0, ${d}u, a${d});`)} }`;
}

const tileProducts = (sum: string, row: string, tile: string, meets: number, n: number): string =>
  each(
    meets,
    (c) =>
      `var ${sum}0_${c} = 0.0; ${upTo(n)
        .map((d) => `${sum}0_${c} += dot(${row}_${d}, ${tile}[(c + ${c}u) * ${n}u + ${d}u]);`)
        .join(' ')}`,
  );
const tileSums = (to: string, weight: string, tile: string, meets: number, n: number): string =>
  each(
    n,
    (d) =>
      `${to}${d} += ${upTo(meets)
        .map((c) => `${weight}0_${c} * ${tile}[(c + ${c}u) * ${n}u + ${d}u]`)
        .join(' + ')};`,
  );

/** Keys meet the queries of all heads that share them. */
function keysMain({ look, cut }: BackwardText): string {
  const { rows, lanes, meets, tile } = cut;
  const [D4, V4] = [fours(look.D), fours(look.V)];
  const at = each(
    meets,
    (c) => `let w${c} = row_of(b, g, min(r0 + ${c}u, N - 1u)); let m${c} = known(w${c});`,
  );
  const weigh = each(rows, (r) =>
    each(
      meets,
      (c) =>
        `{ let z = select(vec3<f32>(), weigh(w${c}, m${c}, own + ${r}u, s${r}_${c}, e${r}_${c}), r0 + ${c}u < last); s${r}_${c} = z.x; e${r}_${c} = z.y; }`,
    ),
  );
  const open = `${openText(rows, lanes)}
  let high = min(low + ${rows * lanes}u, p.S);
  let queries = queries_of(b, low, high);
  let last = queries.y * p.R;
  ${each(
    rows,
    (
      r,
    ) => `let n${r} = min(own + ${r}u, p.S - 1u); let k${r} = b * p.k_b + n${r} * p.k_t + g * p.k_h; let v${r} = b * p.v_b + n${r} * p.v_t + g * p.v_h;
  let tk${r} = ((b * p.S + n${r}) * p.G + g) * ${look.D}u; let tv${r} = ((b * p.S + n${r}) * p.G + g) * ${look.V}u;`,
  )}`;
  if (tile === 0)
    return `${open}
  if (own >= p.S) { return; }
  ${each(rows, (r) => `let live${r} = own + ${r}u < p.S;`)}
  ${scaledText('dk', 'tk', rows, '0.0', D4)}
  ${scaledText('dv', 'tv', rows, '0.0', V4)}
  for (var r0 = queries.x * p.R; r0 < last; r0 += ${meets}u) {
  ${at}
  ${
    look.ring
      ? ''
      : `if (${upTo(meets)
          .map((c) => `(w${c}.hi <= i32(low) || w${c}.lo >= i32(high))`)
          .join(' && ')}) { continue; }`
  }
  ${each(meets, (c) => `let q${c} = b * p.q_b + w${c}.i * p.q_t + w${c}.h * p.q_h; let y${c} = b * p.dy_b + w${c}.i * p.dy_t + w${c}.h * p.dy_h;`)}
  ${productsText('s', { name: 'k', at: 'k', count: rows }, { name: 'q', at: 'q', count: meets }, D4)}
  ${productsText('e', { name: 'v', at: 'v', count: rows }, { name: 'dy', at: 'y', count: meets }, V4)}
  ${weigh}
  ${sumsText({ name: 'dv', at: 'tv', count: rows }, { name: 'dy', at: 'y', count: meets, weight: 's' }, V4)}
  ${sumsText({ name: 'dk', at: 'tk', count: rows }, { name: 'q', at: 'q', count: meets, weight: 'e' }, D4)}
  }`;
  const row = (n: string): string => `min(t0 + ${n}, N - 1u)`;
  return `${open}
  ${each(D4, (d) => `let k0_${d} = k_four(k0, ${d}u); var a${d} = vec4<f32>();`)}
  ${each(V4, (d) => `let v0_${d} = v_four(v0, ${d}u); var b${d} = vec4<f32>();`)}
  for (var t0 = queries.x * p.R; t0 < last; t0 += ${tile}u) {
    ${fillText(
      lanes,
      tile,
      D4,
      V4,
      (n) => `q_four(b * p.q_b + ${row(n)} / p.R * p.q_t + (g * p.R + ${row(n)} % p.R) * p.q_h`,
      (n) => `dy_four(b * p.dy_b + ${row(n)} / p.R * p.dy_t + (g * p.R + ${row(n)} % p.R) * p.dy_h`,
    )}
    for (var c = 0u; c < ${tile}u; c += ${meets}u) {
      let r0 = t0 + c;
      if (r0 >= last) { break; }
      ${at}
      ${tileProducts('s', 'k0', 'tile_a', meets, D4)}
      ${tileProducts('e', 'v0', 'tile_b', meets, V4)}
      ${weigh}
      ${tileSums('b', 's', 'tile_b', meets, V4)}
      ${tileSums('a', 'e', 'tile_a', meets, D4)}
    }
  }
  if (own < p.S) {
    ${each(D4, (d) => `put_dk(tk0, ${d}u, a${d});`)}
    ${each(V4, (d) => `put_dv(tv0, ${d}u, b${d});`)}
  }`;
}

/** Queries [x, y) that may see one of the keys [low, high): by distance where positions run on, else all. */
export function queriesText({ places, ring }: Look): string {
  if (ring || places === 'queries')
    return 'fn queries_of(b: u32, low: u32, high: u32) -> vec2<u32> { return vec2<u32>(0u, p.T); }';
  return `fn queries_of(b: u32, low: u32, high: u32) -> vec2<u32> {
  let start = place_of(b, 0u).p;
  let begin = clamp(i32(low) - p.right - start, 0, i32(p.T));
  let end = clamp(i32(high) + p.left - start, 0, i32(p.T));
  return vec2<u32>(u32(begin), u32(max(begin, end)));
}`;
}

/** An element of the bias sums over the axes that it lacks: over `rows` of batch, head and query, and over keys. */
const biasMain = ({ look }: BackwardText): string => `
  if (linear >= p.n0 * p.n1 * p.n2 * p.n3) { return; }
  let x3 = linear % p.n3;
  let x2 = linear / p.n3 % p.n2;
  let x1 = linear / p.n3 / p.n2 % p.n1;
  let x0 = linear / p.n3 / p.n2 / p.n1;
  // Sizes of the axes that are summed over.
  let m1 = select(1u, p.H, p.n1 == 1u);
  let m2 = select(1u, p.T, p.n2 == 1u);
  let rows = select(1u, p.B, p.n0 == 1u) * m1 * m2;
  let j0 = select(x3, 0u, p.n3 == 1u);
  let j1 = select(x3 + 1u, p.S, p.n3 == 1u);
  var sum = 0.0;
  for (var r = 0u; r < rows; r++) {
    let b = x0 + r / m2 / m1;
    let h = x1 + r / m2 % m1;
    let i = x2 + r % m2;
    let g = h / p.R;
    let w = row_of(b, g, i * p.R + h % p.R);
    let m = known(w);
    let q = b * p.q_b + i * p.q_t + h * p.q_h;
    let y = b * p.dy_b + i * p.dy_t + h * p.dy_h;
    for (var j = j0; j < j1; j++) {
      let k = b * p.k_b + j * p.k_t + g * p.k_h;
      let v = b * p.v_b + j * p.v_t + g * p.v_h;
      var s = 0.0;
      var e = 0.0;
      for (var d = 0u; d < ${fours(look.D)}u; d++) { s += dot(q_four(q, d), k_four(k, d)); }
      for (var d = 0u; d < ${fours(look.V)}u; d++) { e += dot(dy_four(y, d), v_four(v, d)); }
      sum += weigh(w, m, j, s, e).z;
    }
  }
  set_dbias(linear, sum);`;

const shaders = /* @__PURE__ */ memo((text): GpuShader => {
  const spec = JSON.parse(text) as BackwardText;
  const { kind, look, cut, params, at, byLse } = spec;
  const element = elementOf(look);
  const dO = reads('dy', element, at.dO);
  if (kind === 'statistics')
    return shader({
      name: 'flash/statistics',
      operands: [
        dO,
        reads('o', element, at.o),
        reads('lse', 'f32', at.lse),
        ...(byLse ? [reads('dlse', 'f32', at.dLse)] : []),
        writes('side', 'u32', at.side),
      ],
      params,
      workgroup: 64,
      declare: `${rowText('dy', look.V, look.four)}\n${rowText('o', look.V, look.four)}`,
      main: statisticsMain(spec),
    });
  const scores = scoreOperands({ ...look, packs: true }, at.from, at.side);
  const out = {
    queries: [writes('dq', element, at.dq)],
    keys: [writes('dk', element, at.dk), writes('dv', element, at.dv)],
    bias: [writes('dbias', 'f32', at.dBias)],
  }[kind];
  const heads = (
    [
      ['q', look.D],
      ['k', look.D],
      ['v', look.V],
      ['dy', look.V],
    ] as const
  ).map(([name, width]) => rowText(name, width, look.four));
  const results = {
    queries: resultText('dq', look.D, look.four),
    keys: `${resultText('dk', look.D, look.four)}\n${resultText('dv', look.V, look.four)}`,
    bias: '',
  }[kind];
  const tiles =
    kind !== 'bias' && cut.tile > 0
      ? `var<workgroup> tile_a: array<vec4<f32>, ${cut.tile * fours(look.D)}>;\nvar<workgroup> tile_b: array<vec4<f32>, ${cut.tile * fours(look.V)}>;`
      : '';
  return shader({
    name: `flash/by ${kind}`,
    operands: [
      ...(['q', 'k', 'v'] as const).map((name, n) => reads(name, headOf(look), at.from + n)),
      dO,
      ...scores,
      ...out,
    ],
    params,
    workgroup: kind === 'bias' ? 64 : cut.lanes,
    declare: [
      ...heads,
      scoreText({ ...look, packs: true }),
      errorText(look.drops),
      queriesText(look),
      results,
      tiles,
    ].join('\n'),
    main: { queries: queriesMain, keys: keysMain, bias: biasMain }[kind](spec),
  });
});

/**
 * Backward passes. Statistics: an invocation a query. Queries, keys: an invocation owns `rows` of them, a workgroup
 * `lanes` × `rows`; with a tile the others stand in 16 · tile · (⌈D/4⌉ + ⌈V/4⌉) bytes of workgroup memory, at most
 * 16 KiB. Bias: an invocation an element.
 */
export function backwardShader(text: BackwardText): GpuShader {
  return shaders(JSON.stringify(text));
}
