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

/** Register blocks straight from storage: no workgroup memory, no barriers. */
export interface Direct {
  /** Rows and columns of an invocation. */
  readonly rows: number;
  readonly columns: number;
  /** Invocations side by side in a workgroup; all have the same rows. */
  readonly lanes: number;
}

/** The tile of a workgroup. */
export const directTile = (d: Direct): { rows: number; columns: number } => ({
  rows: d.rows,
  columns: d.columns * d.lanes,
});

const xyzw = 'xyzw';

/** Text that reads a's block at k (and the three behind it when a step is 4), and how its elements are called. */
function readA(
  { rows }: Direct,
  f: Form,
  step: number,
): { before: string; load: string; at: (i: number, q: number) => string } {
  const row = (i: number): string => `a_at + min(top + ${i}u, p.M - 1u) * p.am`;
  if (f.a === 'free4') {
    // Four rows at once: vector g holds rows 4 g … 4 g + 3 at one k.
    const groups = Math.ceil(rows / 4);
    return {
      before: each(groups, (g) => `let r${g} = a_at + min(top + ${4 * g}u, p.M - 4u);`),
      load: upTo(step)
        .map((q) => each(groups, (g) => `let a${g}_${q} = b_a[(r${g} + (k + ${q}u) * p.ak) >> 2u];`))
        .join('\n'),
      at: (i, q) => `a${i >> 2}_${q}.${xyzw[i & 3]}`,
    };
  }
  if (f.a === 'k4') {
    return {
      before: each(rows, (i) => `let r${i} = (${row(i)}) >> 2u;`),
      load: each(rows, (i) => `let a${i} = b_a[r${i} + (k >> 2u)];`),
      at: (i, q) => `a${i}.${xyzw[q]}`,
    };
  }
  return {
    before: each(rows, (i) => `let r${i} = ${row(i)};`),
    load: upTo(step)
      .map((q) => each(rows, (i) => `let a${i}_${q} = b_a[r${i} + (k + ${q}u) * p.ak];`))
      .join('\n'),
    at: (i, q) => `a${i}_${q}`,
  };
}

/** Text that reads b's block at k + q and adds the products; columns stand side by side across the lanes. */
function useB(
  d: Direct,
  f: Form,
  step: number,
): { before: string; load: string; add: (q: number, a: (i: number) => string) => string } {
  const vectors = f.b === 'free4' ? d.columns / 4 : d.columns;
  const sum = (j: number, i: number): string => `c${i}_${j}`;
  const products = (j: number, i: number, s: string, b: string): string => `${sum(j, i)} += ${s} * ${b};`;
  const column = (j: number): string =>
    f.b === 'free4' ? `min(column${j}, p.N - 4u)` : `min(column${j}, p.N - 1u) * p.bn`;
  const rows = (a: (i: number) => string, b: (j: number) => string): string =>
    each(
      d.rows,
      (i) =>
        `{ let s = ${a(i)}; ${upTo(vectors)
          .map((j) => products(j, i, 's', b(j)))
          .join(' ')} }`,
    );
  if (f.b === 'k4') {
    return {
      before: each(vectors, (j) => `let q${j} = (b_at + ${column(j)}) >> 2u;`),
      load: each(vectors, (j) => `let b${j} = b_b[q${j} + (k >> 2u)];`),
      add: (q, a) => rows(a, (j) => `b${j}.${xyzw[q]}`),
    };
  }
  const place = (j: number, q: number): string =>
    f.b === 'free4' ? `b_b[(q${j} + kb${q}) >> 2u]` : `b_b[q${j} + kb${q}]`;
  return {
    before: each(vectors, (j) => `let q${j} = b_at + ${column(j)};`),
    load: each(step, (q) => `let kb${q} = (k + ${q}u) * p.bk;`),
    add: (q, a) =>
      `${each(vectors, (j) => `let b${j}_${q} = ${place(j, q)};`)}\n${rows(a, (j) => `b${j}_${q}`)}`,
  };
}

function text(d: Direct, f: Form): string {
  const wide = f.b === 'free4';
  const vectors = wide ? d.columns / 4 : d.columns;
  const step = f.a === 'k4' || f.b === 'k4' ? 4 : 1;
  const a = readA(d, f, step);
  const b = useB(d, f, step);
  const place = (j: string): string => `left + (${j} * ${d.lanes}u + lid.x)${wide ? ' * 4u' : ''}`;
  const write = storeBlock(f, {
    sums: upTo(d.rows).flatMap((i) => upTo(vectors).map((j) => `c${i}_${j}`)),
    vectors,
    wide,
    row: (i) => `top + ${i}`,
    column: place,
  });
  return `${openText(d.rows, d.columns * d.lanes)}
${each(vectors, (j) => `let column${j} = ${place(`${j}u`)};`)}
${a.before}
${b.before}
${each(d.rows, (i) =>
  upTo(vectors)
    .map((j) => `var c${i}_${j} = ${wide ? 'vec4<f32>()' : '0f'};`)
    .join(' '),
)}
for (var k = k0; k < k1; k += ${step}u) {
${a.load}
${b.load}
${each(step, (q) => `{\n${b.add(q, (i) => a.at(i, q))}\n}`)}
}
${write}`;
}

interface Made {
  readonly d: Direct;
  readonly f: Form;
  readonly y: number;
}

let making: Made | null = null;

const shaders = /* @__PURE__ */ memo((): GpuShader => {
  const { d, f, y } = making!;
  return shader({
    name: 'matmul/direct',
    operands: operandsOf(f, y),
    params: paramsOf(f),
    alias: f.epilogue?.alias ?? [],
    workgroup: d.lanes,
    declare: declareOf(f),
    main: text(d, f),
  });
});

/** One invocation computes `rows` × `columns` elements, a workgroup `lanes` such blocks side by side. */
export function directPass(p: Problem, cut: Cut, f: Form, y: number, d: Direct): GpuPass {
  making = { d, f, y };
  const s = shaders(`${d.rows} ${d.columns} ${d.lanes} ${y} ${formKey(f)}`);
  return { shader: s, params: valuesOf(p, cut, f.epilogue), workgroups: grid(workgroupsOf(p, cut)) };
}
