import type { GpuPass, GpuShader } from '@seq/tensor/engine';
import { grid, memo, shader } from '../../wgsl/index.js';
import type { Problem } from './problem.js';
import type { Cut, Form } from './text.js';
import {
  declareOf,
  each,
  formKey,
  openText,
  operandsOf,
  paramsOf,
  storeBlock,
  upTo,
  valuesOf,
  workgroupsOf,
} from './text.js';

/** A workgroup's tile and an invocation's part of it. 16 K-elements of both factors lie in workgroup memory. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly myRows: number;
  readonly myColumns: number;
}

/** Elements of K that are staged at once. */
export const depth = 16;

/** Tiles, largest first: 16, 8, 4, 5 and 5 KiB of workgroup memory; 256, 128, 64 and 64 invocations. */
export const tiles: readonly Tile[] = [
  { rows: 128, columns: 128, myRows: 8, myColumns: 8 },
  { rows: 64, columns: 64, myRows: 8, myColumns: 4 },
  { rows: 32, columns: 32, myRows: 4, myColumns: 4 },
  { rows: 16, columns: 64, myRows: 4, myColumns: 4 },
  { rows: 64, columns: 16, myRows: 4, myColumns: 4 },
];

/**
 * How a tile is staged. `down` and `up` say which neighbour in memory neighbouring invocations take: along K, or along
 * the free axis; `k4`, `free4`: four elements by one read.
 */
export interface Staging {
  readonly a: 'k4' | 'k' | 'free';
  readonly b: 'free4' | 'free' | 'k';
}

/** Fills rows [0, rows) × 16 of a as vectors of four along K: element (m, k4) at m · 4 + k4. */
function stageA(t: Tile, from: Staging['a'], threads: number): string {
  const count = t.rows * (depth / 4);
  const place =
    from === 'free'
      ? `let m = e % ${t.rows}u; let k4 = e / ${t.rows}u;`
      : `let m = e / ${depth / 4}u; let k4 = e % ${depth / 4}u;`;
  const one = (c: number): string => `v[${c}] = b_a[at + ${c}u * p.ak];`;
  const load =
    from === 'k4'
      ? 'if (k < k1) { v = b_a[at >> 2u]; }'
      : upTo(4)
          .map((c) => `if (k + ${c}u < k1) { ${one(c)} }`)
          .join(' ');
  return `for (var e = lix; e < ${count}u; e += ${threads}u) {
${place}
let k = kt + 4u * k4;
var v = vec4<f32>();
if (top + m < p.M) { let at = a_at + (top + m) * p.am + k * p.ak; ${load} }
tile_a[m * ${depth / 4}u + k4] = v;
}`;
}

/** Fills 16 × [0, columns) of b as vectors of four along the columns: element (k, n4) at k · columns/4 + n4. */
function stageB(t: Tile, from: Staging['b'], threads: number): string {
  const across = t.columns / 4;
  const count = depth * across;
  const place =
    from === 'k'
      ? `let kk = e % ${depth}u; let n4 = e / ${depth}u;`
      : `let kk = e / ${across}u; let n4 = e % ${across}u;`;
  const load =
    from === 'free4'
      ? 'if (n < p.N) { v = b_b[at >> 2u]; }'
      : upTo(4)
          .map((c) => `if (n + ${c}u < p.N) { v[${c}] = b_b[at + ${c}u * p.bn]; }`)
          .join(' ');
  return `for (var e = lix; e < ${count}u; e += ${threads}u) {
${place}
let k = kt + kk;
let n = left + 4u * n4;
var v = vec4<f32>();
if (k < k1) { let at = b_at + k * p.bk + n * p.bn; ${load} }
tile_b[kk * ${across}u + n4] = v;
}`;
}

function text(t: Tile, s: Staging, f: Form): string {
  const across = t.columns / t.myColumns;
  const down = t.rows / t.myRows;
  const threads = across * down;
  const vectors = t.myColumns / 4;
  const row = (i: number): string => `${i * down}u + ty`;
  const write = storeBlock(f, {
    sums: upTo(t.myRows).flatMap((i) => upTo(vectors).map((j) => `c${i}_${j}`)),
    vectors,
    wide: true,
    row: (i) => `top + ${i} * ${down}u + ty`,
    column: (j) => `left + 4u * (${j} * ${across}u + tx)`,
  });
  return `${openText(t.rows, t.columns)}
let tx = lix % ${across}u;
let ty = lix / ${across}u;
${each(t.myRows, (i) =>
  upTo(vectors)
    .map((j) => `var c${i}_${j} = vec4<f32>();`)
    .join(' '),
)}
for (var kt = k0; kt < k1; kt += ${depth}u) {
${stageA(t, s.a, threads)}
${stageB(t, s.b, threads)}
workgroupBarrier();
for (var k4 = 0u; k4 < ${depth / 4}u; k4++) {
${each(4, (q) =>
  upTo(vectors)
    .map((j) => `let b${q}_${j} = tile_b[(4u * k4 + ${q}u) * ${t.columns / 4}u + ${j * across}u + tx];`)
    .join(' '),
)}
${each(
  t.myRows,
  (i) => `{ let a = tile_a[(${row(i)}) * ${depth / 4}u + k4];
${each(vectors, (j) => `c${i}_${j} += a.x * b0_${j} + a.y * b1_${j} + a.z * b2_${j} + a.w * b3_${j};`)} }`,
)}
}
workgroupBarrier();
}
${write}`;
}

let making: { t: Tile; s: Staging; f: Form; y: number } | null = null;

const shaders = /* @__PURE__ */ memo((): GpuShader => {
  const { t, s, f, y } = making!;
  return shader({
    name: 'matmul/tile',
    operands: operandsOf(f, y),
    params: paramsOf(f),
    alias: f.epilogue?.alias ?? [],
    workgroup: (t.rows / t.myRows) * (t.columns / t.myColumns),
    declare: `${declareOf(f)}
var<workgroup> tile_a: array<vec4<f32>, ${(t.rows * depth) / 4}>;
var<workgroup> tile_b: array<vec4<f32>, ${(t.columns * depth) / 4}>;`,
    main: text(t, s, f),
  });
});

/** How the elements of a tile come in, given how the factors can be read. */
function stagingOf(p: Problem, f: Form): Staging {
  const a = f.a === 'k4' ? 'k4' : Math.abs(p.a.free) < Math.abs(p.a.k) ? 'free' : 'k';
  const b = f.b === 'free4' ? 'free4' : Math.abs(p.b.k) < Math.abs(p.b.free) ? 'k' : 'free';
  return { a, b };
}

/** One workgroup computes a tile of y, both factors staged in workgroup memory 16 elements of K at a time. */
export function tilePass(p: Problem, cut: Cut, form: Form, y: number, t: Tile): GpuPass {
  // Only reads along the staged vectors take four at once; the others are side by side across invocations.
  const f: Form = { ...form, a: form.a === 'k4' ? 'k4' : 'one', b: form.b === 'free4' ? 'free4' : 'one' };
  const s = stagingOf(p, f);
  making = { t, s, f, y };
  const made = shaders(`${t.rows} ${t.columns} ${t.myRows} ${t.myColumns} ${s.a} ${s.b} ${y} ${formKey(f)}`);
  return { shader: made, params: valuesOf(p, cut, f.epilogue), workgroups: grid(workgroupsOf(p, cut)) };
}
