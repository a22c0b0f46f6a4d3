import type { Element, Operand } from '../../wgsl/index.js';
import { reads, writes } from '../../wgsl/index.js';
import type { Access, Problem } from './problem.js';

/**
 * What is done to each element of the product before it is written: text for
 * `fn finish(v: f32, batch: u32, row: u32, column: u32) -> f32`, with row and column as the caller of matmul sees them.
 */
export interface Epilogue {
  /** Tells texts apart; part of the shader's key. */
  readonly key: string;
  readonly operands: readonly Operand[];
  readonly params: { readonly [name: string]: 'u32' | 'i32' | 'f32' };
  readonly values: readonly number[];
  /** Functions, among them `finish`. */
  readonly declare: string;
  /** As `ShaderSpec.alias`: an operand of the epilogue may lie in the memory of y. */
  readonly alias?: readonly number[];
  /** True when one does: y is then written one element at a time. */
  readonly inPlace?: boolean;
}

/** How the sum over K and the grid are divided. */
export interface Cut {
  /** Rows and columns of one workgroup's tile. */
  readonly rows: number;
  readonly columns: number;
  /** Parts of K; each writes sums of its own when there are several. */
  readonly slices: number;
  /** Elements of K in one part. */
  readonly chunk: number;
}

/** What the text of a matmul shader depends on beside its design. */
export interface Form {
  readonly a: Access;
  readonly b: Access;
  /** Writes four columns at once. */
  readonly store4: boolean;
  /** Number of batch axes. */
  readonly rank: number;
  readonly swapped: boolean;
  readonly epilogue?: Epilogue | undefined;
}

/** Whole numbers 0 … n − 1. */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** One text for each of n numbers, joined by new lines. */
export const each = (n: number, text: (i: number) => string): string => upTo(n).map(text).join('\n');

/** A form as part of a shader's key. */
export function formKey(f: Form): string {
  return `${f.a} ${f.b} ${f.store4 ? 4 : 1} ${f.rank} ${f.swapped ? 's' : 'n'} ${f.epilogue?.key ?? ''}`;
}

/** Element type of the binding that serves an access. */
export const elementOf = (access: Access): Element => (access === 'one' ? 'f32' : 'f32x4');

/** Bindings: a, b, y, and what the epilogue reads. `y` is the operand written to. */
export function operandsOf(f: Form, y: number): Operand[] {
  const [a, b] = f.swapped ? [1, 0] : [0, 1];
  return [
    reads('a', elementOf(f.a), a),
    reads('b', elementOf(f.b), b),
    writes('y', f.store4 ? 'f32x4' : 'f32', y),
    ...(f.epilogue?.operands ?? []),
  ];
}

/** Parameters that every matmul shader has. */
export function paramsOf(f: Form): { [name: string]: 'u32' | 'i32' | 'f32' } {
  const names = 'M N K am ak bn bk row column chunk slices down across total size'.split(' ');
  const batch = upTo(f.rank).flatMap((i) => [`d${i}`, `a${i}`, `b${i}`]);
  return {
    ...Object.fromEntries([...names, ...batch].map((n) => [n, 'u32' as const])),
    ...f.epilogue?.params,
  };
}

/** Values of `paramsOf`. */
export function valuesOf(p: Problem, cut: Cut, epilogue?: Epilogue): number[] {
  const down = Math.ceil(p.M / cut.rows);
  const across = Math.ceil(p.N / cut.columns);
  return [
    ...[p.M, p.N, p.K, p.a.free, p.a.k, p.b.free, p.b.k, p.row, p.column],
    ...[cut.chunk, cut.slices, down, across, workgroupsOf(p, cut), p.M * p.N],
    ...p.batch.flatMap((d, i) => [d, p.a.batch[i], p.b.batch[i]]),
  ]
    .map((v) => v >>> 0)
    .concat(epilogue?.values ?? []);
}

/** Workgroups of a pass. */
export function workgroupsOf(p: Problem, cut: Cut): number {
  return Math.ceil(p.M / cut.rows) * Math.ceil(p.N / cut.columns) * cut.slices * p.products;
}

/** `batch_a(i)` and `batch_b(i)`: where product i begins in the factors. `finish` without an epilogue does nothing. */
export function declareOf(f: Form): string {
  const walk = (side: 'a' | 'b'): string =>
    upTo(f.rank)
      .reverse()
      .map((i) =>
        i === 0 ? `at += rest * p.${side}0;` : `at += (rest % p.d${i}) * p.${side}${i}; rest /= p.d${i};`,
      )
      .join(' ');
  const at = (side: 'a' | 'b'): string =>
    `fn batch_${side}(i: u32) -> u32 { var at = p.o_${side}; ${f.rank > 0 ? `var rest = i; ${walk(side)}` : ''} return at; }`;
  return [at('a'), at('b'), f.epilogue?.declare ?? ''].join('\n');
}

/**
 * Opens `main`: top and left of the workgroup's tile, product `batch`, the part [k0, k1) of K, and where the
 * product begins in a, b and y.
 */
export function openText(rows: number, columns: number): string {
  return `if (group >= p.total) { return; }
let top = (group / p.across % p.down) * ${rows}u;
let left = (group % p.across) * ${columns}u;
let part = group / (p.across * p.down);
let slice = part % p.slices;
let batch = part / p.slices;
let k0 = slice * p.chunk;
let k1 = min(p.K, k0 + p.chunk);
let a_at = batch_a(batch);
let b_at = batch_b(batch);
let y_at = (part % p.slices * (p.total / (p.across * p.down * p.slices)) + batch) * p.size;`;
}

/** A statement that writes one element, or four columns from `column` on. */
export function storeText(f: Form, value: string, row: string, column: string): string {
  const place = `y_at + (${row}) * p.row + (${column}) * p.column`;
  if (f.epilogue === undefined) return `set_y(${f.store4 ? `(${place}) >> 2u` : place}, ${value});`;
  const finish = (v: string, c: string): string =>
    f.swapped ? `finish(${v}, batch, ${c}, ${row})` : `finish(${v}, batch, ${row}, ${c})`;
  if (!f.store4) return `set_y(${place}, ${finish(value, column)});`;
  const lane = finish('v4[l]', `${column} + l`);
  return `{ var v4 = ${value}; for (var l = 0u; l < 4u; l++) { v4[l] = ${lane}; } set_y((${place}) >> 2u, v4); }`;
}

/** The sums of an invocation, and where they belong. */
interface Block {
  /** Names of the sums, row by row. */
  readonly sums: readonly string[];
  /** Sums in a row of the block; each is a vector of four columns where `wide`. */
  readonly vectors: number;
  readonly wide: boolean;
  /** Texts of row and column from texts of the numbers of sums. */
  readonly row: (i: string) => string;
  readonly column: (j: string) => string;
}

/** Writes all sums. With an epilogue by a loop: what may be long stands in the shader once. */
export function storeBlock(f: Form, { sums, vectors, wide, row, column }: Block): string {
  const all = (value: string): string => {
    if (!wide || f.store4) return `if (n < p.N) { ${storeText(f, value, 'm', 'n')} }`;
    if (f.epilogue !== undefined)
      return `for (var c = 0u; c < 4u; c++) { if (n + c < p.N) { ${storeText(f, `${value}[c]`, 'm', 'n + c')} } }`;
    return each(4, (c) => `if (n + ${c}u < p.N) { ${storeText(f, `${value}[${c}]`, 'm', `n + ${c}u`)} }`);
  };
  const rows = sums.length / vectors;
  if (f.epilogue === undefined) {
    const ofRow = (i: number): string =>
      each(vectors, (j) => `{ let n = ${column(`${j}u`)};\n${all(sums[i * vectors + j])} }`);
    return each(rows, (i) => `{ let m = ${row(`${i}u`)};\nif (m < p.M) {\n${ofRow(i)}\n} }`);
  }
  const type = wide ? 'vec4<f32>' : 'f32';
  return `var sums_ = array<${type}, ${sums.length}>(${sums.join(', ')});
for (var i = 0u; i < ${rows}u; i++) {
let m = ${row('i')};
if (m >= p.M) { break; }
for (var j = 0u; j < ${vectors}u; j++) {
let n = ${column('j')};
var v = sums_[i * ${vectors}u + j];
${all('v')}
}
}`;
}
