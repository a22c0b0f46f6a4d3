import type { GpuLimits, GpuPass, GpuShader, GpuView } from '@seq/tensor/engine';
import { foldLanes, grid, mathOf, reads, shader } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';

/** How one position alone is laid out: `lanes` invocations for each unit, which read `width` numbers at a time. */
export interface Single {
  readonly lanes: 1 | 16;
  readonly width: 1 | 4;
}

/** What the text of one position depends on. */
export interface SingleKey<Names> {
  readonly layout: Single;
  /** Operands by name. */
  readonly at: Names;
  /** The first output. */
  readonly out: number;
}

/** True, or why a call is not one position without masks. */
export function isSingle(views: readonly GpuView[], T: number, masked: boolean): true | string {
  if (T !== 1 || masked) return 'computes one position without masks';
  return views.every((v) => v.dtype === 'f32') || 'computes f32 only';
}

/** The layout for products over vectors of these lengths. A program on the CPU has no use for lanes that cooperate. */
export function singleOf(lengths: readonly number[], views: readonly GpuView[], limits: GpuLimits): Single {
  const whole = lengths.every((n) => n % 4 === 0) && views.every((v) => v.aligned % 4 === 0);
  return { lanes: limits.software ? 1 : 16, width: whole ? 4 : 1 };
}

/** One position as text: up to four products for each unit, then what is made of them. */
export interface SingleText {
  readonly name: string;
  readonly layout: Single;
  /** Operand of the matrix. */
  readonly matrix: number;
  /** Operands that are read as the products are made: `width` numbers at a time. */
  readonly vectors: readonly (readonly [name: string, operand: number])[];
  /** The others: one number at a time. */
  readonly operands: readonly Operand[];
  /** `width` numbers of the vector, from number k of row b on; `p.K` of them make a row. */
  readonly vector: string;
  readonly declare?: string;
  /** Rows of the matrix that the vector is multiplied with, for unit j. */
  readonly rows: readonly string[];
  /** What becomes of unit j of row b: `a.x` … `a.w` are its products, `unit` = b · units + j. */
  readonly store: string;
}

/** The shader of one position. Sizes: n units in all, `units` of a row, K groups of a vector. No masks. */
export function singleShader(text: SingleText): GpuShader {
  const { name, layout, matrix, vectors, operands, vector, rows, declare = '', store } = text;
  const { lanes, width } = layout;
  const type = width === 4 ? 'f32x4' : 'f32';
  const product = (row: string): string => {
    const m = `m((${row}) * p.K + k)`;
    return width === 4 ? `dot(v, ${m})` : `v * ${m}`;
  };
  const products = [...rows.map(product), '0.0', '0.0', '0.0'].slice(0, 4);
  return shader({
    name,
    operands: [
      reads('m', type, matrix),
      ...vectors.map(([x, operand]) => reads(x, type, operand)),
      ...operands,
    ],
    params: { n: 'u32', units: 'u32', K: 'u32' },
    workgroup: lanes === 1 ? 64 : 256,
    declare: `${mathOf('m_sigmoid m_tanh')}
fn plus(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> { return a + b; }
${foldLanes({ name: 'fold', type: 'vec4<f32>', combine: 'plus', lanes, slots: 256 / lanes, bytes: 16 })}
${declare}`,
    main: `
let unit = min(linear / ${lanes}u, p.n - 1u);
let lane = linear % ${lanes}u;
let b = unit / p.units;
let j = unit % p.units;
var a = vec4<f32>();
for (var k = lane; k < p.K; k += ${lanes}u) {
  let v = ${vector};
  a += vec4<f32>(${products.join(', ')});
}
a = fold(lix / ${lanes}u, lane, a);
if (lane == 0u && linear / ${lanes}u < p.n) {
${store}
}`,
  });
}

/** The dispatch of such a shader for B rows of `units` units and vectors of K numbers. */
export function singlePass(
  s: GpuShader,
  { lanes, width }: Single,
  B: number,
  units: number,
  K: number,
): GpuPass {
  const n = B * units;
  return { shader: s, params: [n, units, K / width], workgroups: grid(n * lanes, lanes === 1 ? 64 : 256) };
}
