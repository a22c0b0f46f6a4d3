import type { DType, GpuCall, GpuPass } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/shader.js';
import { copyPass } from '../shape/copy.js';
import { around } from './pick.js';

type Number = 'f32' | 'i32' | 'u32' | 'f16' | 'f32x4';

/** Flags add as the words that they are. */
const numberType = (dtype: DType): 'f32' | 'i32' | 'u32' | 'f16' =>
  dtype === 'bool' ? 'u32' : (dtype as 'f32');

const WORKGROUP = 64;
/** Indices that a workgroup looks at between two barriers: four an invocation. */
const CHUNK = 4 * WORKGROUP;

/**
 * One workgroup adds the updates of one row of the output, in their order, to 64 columns (or fours of columns):
 * its invocations look through 256 indices at a time, note the hits in a bit set of 32 bytes, and then each adds
 * all hits to its own column. `rows`: a workgroup per row of x, which also copies the row. `updates`: a
 * workgroup per update; that of the first update of a row does the work, the others end when they see an earlier one.
 */
const scatterShader = /* @__PURE__ */ memo((key) => {
  const [type, mode, alias] = key.split(' ');
  const first = mode === 'updates';
  return shader({
    name: `scatterAdd/${mode}`,
    operands: [
      ...(first ? [] : [reads('x', type as Number, 0)]),
      reads('at', 'i32', 1),
      reads('u', type as Number, 2),
      writes('y', type as Number, 3),
    ],
    params: { groups: 'u32', tiles: 'u32', rows: 'u32', I: 'u32', N: 'u32', Q: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    declare: `var<workgroup> hits: array<atomic<u32>, ${CHUNK / 32}>;`,
    main: `let tile = group % p.tiles;
let row = (group / p.tiles) % p.rows;
let outer = group / (p.tiles * p.rows);
let q = tile * WG + lix;
let inside = group < p.groups && q < p.Q;
var want = ${first ? 'bitcast<u32>(at(min(row, p.I - 1u)))' : 'row'};
// A workgroup that has nothing to do wants what no index may be.
if (group >= p.groups) { want = 0xffffffffu; }
${first ? 'if (want >= p.N) { want = 0xffffffffu; }' : ''}
let place = (outer * p.N + want) * p.Q + q;
var sum = u(0u) - u(0u);
var live = inside && want != 0xffffffffu;
if (live) { sum = ${first ? 'y(place)' : 'x(place)'}; }
for (var begin = 0u; begin < p.I; begin += ${CHUNK}u) {
  if (lix < ${CHUNK / 32}u) { atomicStore(&hits[lix], 0u); }
  workgroupBarrier();
  var bits = 0u;
  for (var j = 0u; j < 4u; j++) {
    let k = begin + 4u * lix + j;
    if (k < p.I) {
      let t = bitcast<u32>(at(k));
      if (t >= p.N) { report(k); }
      if (t == want && t < p.N) { bits |= 1u << j; }
    }
  }
  if (bits != 0u) { atomicOr(&hits[lix >> 3u], bits << (4u * (lix & 7u))); }
  workgroupBarrier();
  for (var w = 0u; w < ${CHUNK / 32}u; w++) {
    var left = atomicLoad(&hits[w]);
    while (left != 0u && live) {
      let k = begin + 32u * w + firstTrailingBit(left);
      left &= left - 1u;
      ${first ? 'if (k < row) { live = false; break; }' : ''}
      sum += u((outer * p.I + k) * p.Q + q);
    }
  }
  workgroupBarrier();
}
if (live) { set_y(place, sum); }`,
    alias: alias === '0' ? [0, -1, -1] : [-1, -1, -1],
  });
});

/**
 * x with updates added at indexed slices, in the order of the updates: the sums have the bits of the CPU's.
 *
 * Costs min(N, I) · I / 256 steps of a workgroup, besides the additions.
 */
export function scatterPasses({
  inputs: [x, idx, u],
  outputs: [y],
  attrs,
  alias,
}: GpuCall<{ readonly axis: number }>): (GpuPass | undefined)[] {
  const [P, N, columns] = around(x.shape, attrs.axis);
  const I = sizeOf(idx.shape);
  const copy = alias[0] === 0 ? undefined : copyPass({ view: x, operand: 0 }, { view: y, operand: 3 });
  if (sizeOf(y.shape) === 0) return [];
  if (I === 0) return [copy];
  const fours =
    x.dtype === 'f32' && columns % 4 === 0 && columns > 64 && [x, u, y].every((v) => v.aligned % 4 === 0);
  const Q = fours ? columns / 4 : columns;
  const mode = N <= I ? 'rows' : 'updates';
  const rows = Math.min(N, I);
  const tiles = Math.ceil(Q / WORKGROUP);
  const groups = P * rows * tiles;
  const pass: GpuPass = {
    shader: scatterShader(`${fours ? 'f32x4' : numberType(x.dtype)} ${mode} ${alias[0]}`),
    params: [groups, tiles, rows, I, N, Q],
    workgroups: grid(groups),
  };
  return mode === 'rows' ? [pass] : [copy, pass];
}

/** One invocation adds all updates of one column (p, q), in their order. */
const columnShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'addAlong/column',
    operands: [reads('at', 'i32', 1), reads('u', type as Number, 2), writes('y', type as Number, 3)],
    params: { n: 'u32', I: 'u32', N: 'u32', Q: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    main: `if (linear < p.n) {
  let outer = linear / p.Q;
  let q = linear % p.Q;
  for (var i = 0u; i < p.I; i++) {
    let k = (outer * p.I + i) * p.Q + q;
    let j = bitcast<u32>(at(k));
    if (j < p.N) {
      let place = (outer * p.N + j) * p.Q + q;
      set_y(place, y(place) + u(k));
    } else { report(k); }
  }
}`,
  }),
);

/**
 * One workgroup adds the updates of one column, 64 at a time: of those with the same index the first adds all,
 * in their order. Indices of a chunk lie in workgroup memory (256 bytes).
 */
const chunkShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'addAlong/chunk',
    operands: [reads('at', 'i32', 1), reads('u', type as Number, 2), writes('y', type as Number, 3)],
    params: { n: 'u32', I: 'u32', N: 'u32', Q: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    declare: `var<workgroup> index: array<u32, ${WORKGROUP}>;`,
    main: `let column = min(group, p.n - 1u);
let outer = column / p.Q;
let q = column % p.Q;
for (var begin = 0u; begin < p.I; begin += WG) {
  let i = begin + lix;
  let k = (outer * p.I + i) * p.Q + q;
  var j = 0xffffffffu;
  if (i < p.I && group < p.n) {
    j = bitcast<u32>(at(k));
    if (j >= p.N) { report(k); j = 0xffffffffu; }
  }
  index[lix] = j;
  workgroupBarrier();
  var first = j != 0xffffffffu;
  for (var t = 0u; t < lix; t++) { first = first && index[t] != j; }
  if (first) {
    let place = (outer * p.N + j) * p.Q + q;
    var sum = y(place) + u(k);
    for (var t = lix + 1u; t < WG; t++) {
      if (index[t] == j) { sum += u((outer * p.I + begin + t) * p.Q + q); }
    }
    set_y(place, sum);
  }
  storageBarrier();
  workgroupBarrier();
}`,
  }),
);

/** x with one update added per index along an axis, in the order of the updates. */
export function addAlongPasses({
  inputs: [x, idx],
  outputs: [y],
  attrs: { axis },
  alias,
}: GpuCall<{ readonly axis: number }>): (GpuPass | undefined)[] {
  const [P, N, Q] = around(x.shape, axis);
  const I = idx.shape[axis];
  if (sizeOf(y.shape) === 0) return [];
  const copy = alias[0] === 0 ? undefined : copyPass({ view: x, operand: 0 }, { view: y, operand: 3 });
  if (I === 0) return [copy];
  const n = P * Q;
  const many = n >= 512 || I <= 16;
  const pass: GpuPass = {
    shader: (many ? columnShader : chunkShader)(numberType(x.dtype)),
    params: [n, I, N, Q],
    workgroups: grid(n, many ? WORKGROUP : 1),
  };
  return [copy, pass];
}
