import type { DType, GpuPass, GpuView } from '@seq/tensor/engine';
import { sizeOf, stridesOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/shader.js';
import { chainPass } from '../map/chain.js';
import { collapse } from '../map/layout.js';

/** What moves elements sees words, whatever they mean, and halves. */
export const wordType = (dtype: DType): 'f16' | 'u32' => (dtype === 'f16' ? 'f16' : 'u32');

/** A view of the same elements as words. */
export const asWords = (view: GpuView): GpuView => ({ ...view, dtype: wordType(view.dtype) });

/** A region of a dense output: the elements of `shape` with the strides of the whole, from `base`. */
export interface Region {
  readonly view: GpuView;
  readonly operand: number;
  readonly base?: number;
}

/**
 * Copies a strided operand into an output or a region of it, which has the same shape.
 *
 * @param alias  as in `GpuCall`
 */
export function copyPass(
  from: Region,
  to: Region,
  alias?: readonly number[],
  single?: boolean,
): GpuPass | undefined {
  return chainPass({
    name: 'copy',
    inputs: [{ ...from, view: asWords(from.view) }],
    steps: [],
    outputs: [{ ...to, view: asWords(to.view), value: 0 }],
    alias,
    single,
  });
}

const TILE = 32;
const ROWS = 8;

/**
 * One workgroup moves a tile of 32 × 32 elements: read along the axis that is contiguous in the operand, written
 * along the last axis of the output, through workgroup memory (4,224 bytes; a padded row keeps banks apart).
 * `rank` outer axes are walked by strides.
 */
const tileShader = /* @__PURE__ */ memo((key) => {
  const [type, rank, from, to] = key.split(' ');
  const outer = Number(rank);
  const params: { [name: string]: 'u32' } = {
    a: 'u32',
    b: 'u32',
    ta: 'u32',
    tb: 'u32',
    tiles: 'u32',
    sb: 'u32',
    oa: 'u32',
  };
  for (let i = 0; i < outer; i++) {
    if (i > 0) params[`d${i}`] = 'u32';
    params[`sx${i}`] = 'u32';
    params[`sy${i}`] = 'u32';
  }
  const lines: string[] = [];
  let rest = 'batch';
  for (let i = outer - 1; i >= 0; i--) {
    const c = i > 0 ? `${rest} % p.d${i}` : rest;
    lines.push(`let c${i} = ${c}; xi += c${i} * p.sx${i}; yi += c${i} * p.sy${i};`);
    if (i > 0) lines.push(`let q${i} = ${rest} / p.d${i};`);
    rest = `q${i}`;
  }
  const element = type === 'f16' ? 'f32' : 'u32';
  return shader({
    name: 'copy/transpose',
    operands: [
      reads('x', type as 'f16' | 'u32', Number(from)),
      writes('y', type as 'f16' | 'u32', Number(to)),
    ],
    params,
    workgroup: [TILE, ROWS, 1],
    declare: `var<workgroup> tile: array<array<${element}, ${TILE + 1}>, ${TILE}>;`,
    main: `if (group < p.tiles) {
  let tb = group % p.tb;
  let rows = group / p.tb;
  let ta = rows % p.ta;
  let batch = rows / p.ta;
  var xi = 0u;
  var yi = 0u;
  ${lines.join('\n  ')}
  for (var j = lid.y; j < ${TILE}u; j += ${ROWS}u) {
    let a = ta * ${TILE}u + lid.x;
    let b = tb * ${TILE}u + j;
    if (a < p.a && b < p.b) { tile[j][lid.x] = x(xi + a + b * p.sb); }
  }
  workgroupBarrier();
  for (var j = lid.y; j < ${TILE}u; j += ${ROWS}u) {
    let a = ta * ${TILE}u + j;
    let b = tb * ${TILE}u + lid.x;
    if (a < p.a && b < p.b) { set_y(yi + a * p.oa + b, tile[lid.x][j]); }
  }
}`,
  });
});

/** The tiled copy of an operand into an output, where it is a transposition; undefined where it is not. */
export function transposePass(x: GpuView, from: number, y: GpuView, to: number): GpuPass | undefined {
  const nest = collapse(y.shape, [stridesOf(y.shape), x.strides]);
  const [ys, xs] = nest.strides as [number[], number[]];
  const last = nest.sizes.length - 1;
  const axis = xs.indexOf(1);
  if (last < 1 || axis === -1 || axis === last || nest.sizes[axis] < 16 || nest.sizes[last] < 16)
    return undefined;
  const [A, B] = [nest.sizes[axis], nest.sizes[last]];
  const outer = nest.sizes.map((_, i) => i).filter((i) => i !== axis && i !== last);
  const [ta, tb] = [Math.ceil(A / TILE), Math.ceil(B / TILE)];
  const tiles = ta * tb * sizeOf(outer.map((i) => nest.sizes[i]));
  const params = [A, B, ta, tb, tiles, xs[last], ys[axis]];
  outer.forEach((i, k) => {
    if (k > 0) params.push(nest.sizes[i]);
    params.push(xs[i], ys[i]);
  });
  return {
    shader: tileShader(`${wordType(x.dtype)} ${outer.length} ${from} ${to}`),
    params: params.map((v) => v >>> 0),
    workgroups: grid(tiles),
  };
}
