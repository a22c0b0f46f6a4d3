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
  storeText,
  upTo,
  valuesOf,
  workgroupsOf,
} from './text.js';

/**
 * Columns of a workgroup when lanes stand side by side along them, or along K: then as few as leave every lane four
 * elements, where there are few columns.
 */
export function skinnyColumns(f: Form, { N, K, products }: Problem): number {
  if (f.b !== 'k4') return f.b === 'free4' ? 128 : 32;
  let columns = 8;
  while (columns > 1 && Math.ceil(N / columns) * products < 64 && (4 * 256) / (columns / 2) <= K)
    columns /= 2;
  return columns;
}

const xyzw = 'xyzw';

/** Element (i, k + q) of a; `k` is a multiple of 4 where four are read at once. */
function readA(f: Form, rows: number): { load: string; at: (i: number, q: number) => string } {
  const place = (i: number): string => `a_at + min(top + ${i}u, p.M - 1u) * p.am`;
  if (f.a === 'k4') {
    return {
      load: each(rows, (i) => `let a${i} = b_a[(${place(i)} + k) >> 2u];`),
      at: (i, q) => `a${i}.${xyzw[q]}`,
    };
  }
  return { load: '', at: (i, q) => `b_a[${place(i)} + (k + ${q}u) * p.ak]` };
}

/**
 * 32 lanes along the columns (four each where b allows it) times 8 parts of K, summed in workgroup memory in the order
 * of the parts.
 */
function alongColumns(f: Form, rows: number): { declare: string; main: string } {
  const wide = f.b === 'free4';
  const type = wide ? 'vec4<f32>' : 'f32';
  const step = f.a === 'k4' ? 4 : 1;
  const a = readA(f, rows);
  const b = (q: number): string =>
    wide
      ? `b_b[(b_at + (k + ${q}u) * p.bk + column) >> 2u]`
      : `b_b[b_at + (k + ${q}u) * p.bk + column * p.bn]`;
  const store = (i: number): string =>
    !wide || f.store4
      ? storeText(f, 'sum', `top + ${i}u`, 'mine')
      : upTo(4)
          .map((c) => storeText(f, `sum[${c}]`, `top + ${i}u`, `mine + ${c}u`))
          .join(' ');
  return {
    declare: `var<workgroup> sums: array<${type}, ${256 * rows}>;`,
    main: `let lane = lix % 32u;
let piece = lix / 32u;
let mine = left + lane${wide ? ' * 4u' : ''};
let column = min(mine, p.N - ${wide ? 4 : 1}u);
${each(rows, (i) => `var c${i} = ${type}();`)}
for (var k = k0 + piece * ${step}u; k < k1; k += ${8 * step}u) {
${a.load}
${each(
  step,
  (q) =>
    `{ let bv = ${b(q)}; ${upTo(rows)
      .map((i) => `c${i} += ${a.at(i, q)} * bv;`)
      .join(' ')} }`,
)}
}
${each(rows, (i) => `sums[${i * 256}u + lix] = c${i};`)}
workgroupBarrier();
${each(
  rows,
  (i) => `if (piece == ${i % 8}u && mine < p.N && top + ${i}u < p.M) {
var sum = sums[${i * 256}u + lane];
for (var s = 1u; s < 8u; s++) { sum += sums[${i * 256}u + 32u * s + lane]; }
${store(i)}
}`,
)}`,
  };
}

/** 256 lanes along K, shared by all columns, four elements each; halves are added up in workgroup memory. */
function alongK(f: Form, rows: number, columns: number): { declare: string; main: string } {
  const lanes = 256 / columns;
  const a = readA(f, rows);
  const whole = (i: number): string =>
    f.a === 'k4'
      ? `a${i}`
      : `vec4<f32>(${upTo(4)
          .map((q) => a.at(i, q))
          .join(', ')})`;
  return {
    declare: `var<workgroup> sums: array<f32, ${256 * rows}>;`,
    main: `let lane = lix % ${lanes}u;
let mine = left + lix / ${lanes}u;
let b_row = b_at + min(mine, p.N - 1u) * p.bn;
${each(rows, (i) => `var c${i} = vec4<f32>();`)}
for (var k = k0 + 4u * lane; k < k1; k += ${4 * lanes}u) {
${a.load}
let bv = b_b[(b_row + k) >> 2u];
${each(rows, (i) => `c${i} += ${whole(i)} * bv;`)}
}
${each(rows, (i) => `sums[${i * 256}u + lix] = (c${i}.x + c${i}.y) + (c${i}.z + c${i}.w);`)}
for (var half = ${lanes / 2}u; half > 0u; half = half >> 1u) {
workgroupBarrier();
if (lane < half) {
${each(rows, (i) => `sums[${i * 256}u + lix] += sums[${i * 256}u + lix + half];`)}
}
}
if (lane == 0u && mine < p.N) {
${each(rows, (i) => `if (top + ${i}u < p.M) { ${storeText(f, `sums[${i * 256}u + lix]`, `top + ${i}u`, 'mine')} }`)}
}`,
  };
}

let making: { f: Form; y: number; rows: number; columns: number } | null = null;

const shaders = /* @__PURE__ */ memo((): GpuShader => {
  const { f, y, rows, columns } = making!;
  const { declare, main } = f.b === 'k4' ? alongK(f, rows, columns) : alongColumns(f, rows);
  return shader({
    name: 'matmul/skinny',
    operands: operandsOf(f, y),
    params: paramsOf(f),
    alias: f.epilogue?.alias ?? [],
    workgroup: 256,
    declare: `${declareOf(f)}\n${declare}`,
    main: `${openText(rows, columns)}\n${main}`,
  });
});

/** The form in which `skinnyPass` can run: a along K or one at a time, and four columns only where b has them. */
export function skinnyForm(f: Form): Form {
  return { ...f, a: f.a === 'k4' ? 'k4' : 'one', store4: f.store4 && f.b === 'free4' };
}

/** Up to four rows of y: a workgroup of 256 sums along K for its columns. At most 16 KiB of workgroup memory. */
export function skinnyPass(p: Problem, cut: Cut, f: Form, y: number): GpuPass {
  making = { f, y, rows: cut.rows, columns: cut.columns };
  const s = shaders(`${cut.rows} ${cut.columns} ${y} ${formKey(f)}`);
  return { shader: s, params: valuesOf(p, cut, f.epilogue), workgroups: grid(workgroupsOf(p, cut)) };
}
