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

/**
 * Register blocks of one subgroup, whose lanes stand side by side along the columns and share what they read of a:
 * for adapters that are programs on the CPU, where a subgroup is a vector register, neighbours that lanes read
 * together are one instruction, and anything else is one for each lane.
 */
export interface Lanes {
  /** Rows and columns of an invocation; rows are a multiple of 4. */
  readonly rows: number;
  readonly columns: number;
  /** Lanes of a subgroup, at least 4. */
  readonly lanes: number;
  /** Four lanes read neighbours of a along K; otherwise four rows. */
  readonly alongK: boolean;
  /** K is no multiple of 4. */
  readonly rest: boolean;
}

/** The tile of a workgroup. */
export const lanesTile = (d: Lanes): { rows: number; columns: number } => ({
  rows: d.rows,
  columns: d.columns * d.lanes,
});

/** Multiplications of a large product. */
const large = 2 ** 26;

/** The block for a product of at least 4 rows on subgroups of so many lanes. */
export function lanesOf({ M, N, K, a }: Problem, lanes: number): Lanes {
  // What is read costs more than what is computed. 32 columns of a subgroup of four or eight serve most products; a
  // subgroup of four gains by 32 rows of 64 columns in those large enough to pay for a text that compiles four times as long.
  const big = lanes < 8 && M * N * K >= large;
  const most = { rows: big ? 32 : 16, columns: lanes >= 8 ? 4 : big ? 16 : 8 };
  const columns = 2 ** Math.ceil(Math.log2(Math.max(1, N / lanes)));
  return {
    rows: Math.min(most.rows, M < 6 ? 4 : M < 12 ? 8 : M < 24 ? 16 : 32),
    columns: Math.min(most.columns, columns),
    lanes,
    alongK: a.k === 1 || a.free !== 1,
    rest: K % 4 !== 0,
  };
}

/** How these kernels read factors: b four at once along K where it lies so, all else element by element. */
export const lanesForm = (f: Form): Form => ({
  ...f,
  a: 'one',
  b: f.b === 'k4' ? 'k4' : 'one',
  store4: false,
});

function text(d: Lanes, f: Form): string {
  const row = (i: string): string => `a_at + min(top + ${i}, p.M - 1u) * p.am`;
  const column = (j: string): string => `left + ${j} * ${d.lanes}u + lid.x`;
  const wide = f.b === 'k4';
  const readB = (j: number, q: number): string => `b_b[q${j} + (k + ${q}u) * p.bk]`;
  const b = (j: number, q: number): string => (wide ? `b${j}.${'xyzw'[q]}` : `b${j}_${q}`);
  const add = (i: number): string =>
    each(
      d.columns,
      (j) =>
        `c${i}_${j} = c${i}_${j} + ${upTo(4)
          .map((q) => `s${q} * ${b(j, q)}`)
          .join(' + ')};`,
    );
  const block = (i: number): string => {
    const read = d.alongK ? `let v = b_a[r${i} + (k + quad) * p.ak];` : '';
    const said = (q: number): string => (d.alongK ? `v, ${q}u` : `a${i >> 2}_${q}, ${i & 3}u`);
    return `{ ${read} ${upTo(4)
      .map((q) => `let s${q} = subgroupBroadcast(${said(q)});`)
      .join(' ')}\n${add(i)} }`;
  };
  const one = (i: number): string =>
    `{ let s = b_a[${d.alongK ? `r${i}` : row(`${i}u`)} + k * p.ak]; ${upTo(d.columns)
      .map((j) => `c${i}_${j} += s * b${j};`)
      .join(' ')} }`;
  const rest = `for (; k < k1; k++) {
${each(d.columns, (j) => `let b${j} = ${readB(j, 0)};`)}
${each(d.rows, one)}
}`;
  return `${openText(d.rows, d.columns * d.lanes)}
let quad = sgid & 3u;
${each(d.columns, (j) => `let q${j} = (b_at + min(${column(`${j}u`)}, p.N - 1u) * p.bn)${wide ? ' >> 2u' : ''};`)}
${d.alongK ? each(d.rows, (i) => `let r${i} = ${row(`${i}u`)};`) : each(d.rows / 4, (g) => `let r${g} = ${row(`${4 * g}u + quad`)};`)}
${each(d.rows, (i) =>
  upTo(d.columns)
    .map((j) => `var c${i}_${j} = 0f;`)
    .join(' '),
)}
var k = k0;
for (; k + 4u <= k1; k += 4u) {
${
  wide
    ? each(d.columns, (j) => `let b${j} = b_b[q${j} + (k >> 2u)];`)
    : each(4, (q) =>
        upTo(d.columns)
          .map((j) => `let b${j}_${q} = ${readB(j, q)};`)
          .join(' '),
      )
}
${
  d.alongK
    ? ''
    : each(4, (q) =>
        upTo(d.rows / 4)
          .map((g) => `let a${g}_${q} = b_a[r${g} + (k + ${q}u) * p.ak];`)
          .join(' '),
      )
}
${each(d.rows, block)}
}
${d.rest ? rest : ''}
${storeBlock(f, {
  sums: upTo(d.rows).flatMap((i) => upTo(d.columns).map((j) => `c${i}_${j}`)),
  vectors: d.columns,
  wide: false,
  row: (i) => `top + ${i}`,
  column,
})}`;
}

interface Made {
  readonly d: Lanes;
  readonly f: Form;
  readonly y: number;
}

let making: Made | null = null;

const shaders = /* @__PURE__ */ memo((): GpuShader => {
  const { d, f, y } = making!;
  return shader({
    name: 'matmul/lanes',
    operands: operandsOf(f, y),
    params: paramsOf(f),
    alias: f.epilogue?.alias ?? [],
    workgroup: d.lanes,
    enable: ['subgroups'],
    declare: declareOf(f),
    main: text(d, f),
  });
});

/** One invocation computes `rows` × `columns` elements, a subgroup as many times the columns. */
export function lanesPass(p: Problem, cut: Cut, f: Form, y: number, d: Lanes): GpuPass {
  making = { d, f, y };
  const s = shaders(`${d.rows} ${d.columns} ${d.lanes} ${d.alongK} ${d.rest} ${y} ${formKey(f)}`);
  return { shader: s, params: valuesOf(p, cut, f.epilogue), workgroups: grid(workgroupsOf(p, cut)) };
}
