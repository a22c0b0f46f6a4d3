import type { GpuLimits, GpuView } from '@seq/tensor/engine';
import { mathOf } from '@seq/webgpu-kernels/wgsl';

/**
 * How a loop over time is laid out. A workgroup computes `rows` sequences from their first to their last position; an
 * invocation computes `width` neighbouring units of them at a time, and as many such groups as there are.
 */
export interface Tile {
  readonly rows: 1 | 2 | 4;
  readonly width: 1 | 4;
  readonly lanes: number;
  /** Numbers of each sequence that its workgroup keeps for all to see, rounded up. */
  readonly capacity: number;
}

/** What a loop needs of its tile. */
export interface TileNeeds {
  /** Number of sequences. */
  readonly B: number;
  /** Widths of the vectors that are computed, the longest first. */
  readonly units: readonly number[];
  /** Numbers that a workgroup keeps for each of its sequences. */
  readonly kept: number;
  /** What is read and written. */
  readonly views: readonly GpuView[];
}

/** 0 … n − 1, such as the operands of a call by their place. */
export function numbered(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

const upToPower = (n: number): number => 2 ** Math.ceil(Math.log2(n));

/** True, or why a loop cannot keep so many numbers of a sequence in workgroup memory. */
export function fits({ views, kept }: Pick<TileNeeds, 'views' | 'kept'>, limits: GpuLimits): true | string {
  if (views.some((v) => v.dtype !== 'f32' && v.dtype !== 'bool')) return 'computes f32 only';
  const room = limits.workgroupBytes / 4;
  return (
    kept <= room || `keeps ${kept} numbers of each sequence in workgroup memory, which has room for ${room}`
  );
}

/**
 * The tile of a loop. Rows share what is read of the weights, but stand in one queue: few where sequences are few. A
 * program on the CPU pays for every invocation at every barrier, and wants more work in each. Rows or units in numbers,
 * never both: a shader that holds 16 of each gate takes a driver seconds to compile.
 */
export function tileOf(needs: TileNeeds, limits: GpuLimits): Tile {
  const { B, units, kept, views } = needs;
  const capacity = Math.max(64, upToPower(kept));
  const whole =
    units.every((n) => n % 4 === 0) && views.every((v) => v.dtype !== 'f32' || v.aligned % 4 === 0);
  const enough = limits.software ? 2 : 32;
  const rows =
    ([4, 2] as const).find(
      (r) => B % r === 0 && B / r >= enough && 4 * r * capacity <= limits.workgroupBytes,
    ) ?? 1;
  const width = whole && rows === 1 && (limits.software || units[0] >= 1024) ? 4 : 1;
  const most = limits.software ? 32 : 256;
  const lanes = Math.min(most, Math.max(4, upToPower(units[0] / width)));
  return { rows, width, lanes, capacity };
}

const xyzw = ['x', 'y', 'z', 'w'];

/** A text for each row of a tile. */
export function forRows({ rows }: Tile, text: (row: number) => string): string {
  return Array.from({ length: rows }, (_, b) => text(b)).join('\n');
}

/** The same as a list. */
export function rowsOf({ rows }: Tile, text: (row: number) => string): string {
  return Array.from({ length: rows }, (_, b) => text(b)).join(', ');
}

/**
 * What the texts of all loops use:
 *
 * - `V`: the type of what an invocation computes at a time, f32 or four of them; `sigma` and `bend`, σ and tanh of it
 * - `put(i, a0, a1, …)`: shows group i of units of each row to the whole workgroup; `get0(i)`, `get1(i)`, …: reads it
 * - `kept[k]`: number k of all rows
 */
export function tileText({ rows, width, capacity }: Tile): string {
  const V = width === 4 ? 'vec4<f32>' : 'f32';
  const S = rows === 1 ? 'f32' : `vec${rows}<f32>`;
  const all = numbered(rows);
  const parts = width === 4 ? xyzw : [''];
  const dot = (name: string, part: string): string => (part === '' ? name : `${name}.${part}`);
  const unit = (i: number): string => (width === 4 ? `4u * i + ${i}u` : 'i');
  const put = parts.map((c, i) => `kept[${unit(i)}] = ${S}(${all.map((b) => dot(`a${b}`, c)).join(', ')});`);
  const get = (b: number): string => parts.map((_, i) => part(rows, `kept[${unit(i)}]`, b)).join(', ');
  const lanewise = (name: string, f: string): string =>
    `fn ${name}(x: V) -> V { return V(${parts.map((c) => `${f}(${dot('x', c)})`).join(', ')}); }`;
  const text = `
alias V = ${V};
var<workgroup> kept: array<${S}, ${capacity}>;
fn put(i: u32, ${all.map((b) => `a${b}: V`).join(', ')}) { ${put.join(' ')} }
${all.map((b) => `fn get${b}(i: u32) -> V { return V(${get(b)}); }`).join('\n')}
${lanewise('sigma', 'm_sigmoid')}
${lanewise('bend', 'm_tanh')}`;
  return mathOf(text) + text;
}

const part = (rows: number, value: string, b: number): string => (rows === 1 ? value : `${value}.${xyzw[b]}`);

/** A product with what the workgroup keeps. Places and sizes of the matrix count in `width` numbers. */
export interface Product {
  /** The operand with the matrix, row-major. */
  readonly matrix: string;
  /** Where in it the first number of the column of unit group q stands. */
  readonly at: string;
  /** From one row of the matrix to the next. */
  readonly stride: string;
  /** First number kept, and how many. */
  readonly from: string;
  readonly count: string;
  /** A sum each: its name, to which the row is added, and where its column stands beside that of `at`. */
  readonly sums: readonly (readonly [name: string, column: string])[];
}

/**
 * name_b += Σ_k kept[from + k] · matrix[k, column] for each row b and each sum. Not unrolled: drivers that are programs on
 * the CPU run four terms at a time a fifth slower.
 */
export function productText({ rows }: Tile, { matrix, at, stride, from, count, sums }: Product): string {
  const terms = sums.map(([name, column]) => {
    const rowTerms = numbered(rows).map((b) => `${name}${b} += m * ${part(rows, 'x', b)};`);
    return `    { let m = ${matrix}(at + ${column}); ${rowTerms.join(' ')} }`;
  });
  return `{
  var at = ${at};
  let end = ${from} + ${count};
  for (var k = ${from}; k < end; k++) {
    let x = kept[k];
${terms.join('\n')}
    at += ${stride};
  }
}`;
}
