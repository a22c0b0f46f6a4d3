import type { GpuCall, GpuPass, GpuView } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../../wgsl/shader.js';
import { wordOf } from '../creation.js';
import { wordType } from '../shape/copy.js';

const WORKGROUP = 64;

/** Sizes before, of and behind an axis. */
export function around(shape: readonly number[], axis: number): [P: number, N: number, Q: number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
}

type Words = 'u32' | 'u32x4' | 'f16' | 'f16x4';

/** Words of a row of Q elements, four at a time where all operands allow it. */
function wordsOf(views: readonly GpuView[], Q: number): [type: Words, per: number] {
  const type = wordType(views[0].dtype);
  const fours = Q % 4 === 0 && views.every((v) => v.aligned % 4 === 0);
  return fours ? [`${type}x4`, 4] : [type, 1];
}

/** The body of a shader in which one invocation makes elements i of four, a workgroup apart. */
const each = (body: string): string => `for (var k = 0u; k < 4u; k++) {
  let i = (group * 4u + k) * WG + lix;
  if (i < p.n) {
    ${body}
  }
}`;

const gatherShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'gather',
    operands: [reads('x', type as Words, 0), reads('at', 'i32', 1), writes('y', type as Words, 2)],
    params: { n: 'u32', I: 'u32', N: 'u32', Q: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    main: each(`let row = i / p.Q;
    let j = bitcast<u32>(at(row % p.I));
    if (j < p.N) { set_y(i, x(((row / p.I) * p.N + j) * p.Q + i % p.Q)); } else { report(row % p.I); }`),
  }),
);

/** x [P, N, Q], indices [I] → [P, I, Q]. */
export function gatherPass({
  inputs: [x, idx],
  outputs: [y],
  attrs,
}: GpuCall<{ readonly axis: number }>): GpuPass | undefined {
  const [, N, Q] = around(x.shape, attrs.axis);
  const [type, per] = wordsOf([x, y], Q);
  const n = sizeOf(y.shape) / per;
  if (n === 0) return undefined;
  return {
    shader: gatherShader(type),
    params: [n, sizeOf(idx.shape), N, Q / per],
    workgroups: grid(n, 4 * WORKGROUP),
  };
}

const takeShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'takeAlong',
    operands: [reads('x', type as Words, 0), reads('at', 'i32', 1), writes('y', type as Words, 2)],
    params: { n: 'u32', I: 'u32', N: 'u32', Q: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    main: each(`let j = bitcast<u32>(at(i));
    if (j < p.N) { set_y(i, x((i / (p.I * p.Q) * p.N + j) * p.Q + i % p.Q)); } else { report(i); }`),
  }),
);

/** o[p, i, q] = x[p, indices[p, i, q], q]. */
export function takePass({
  inputs: [x, idx],
  outputs: [y],
  attrs: { axis },
}: GpuCall<{ readonly axis: number }>): GpuPass | undefined {
  const [, N, Q] = around(x.shape, axis);
  const n = sizeOf(y.shape);
  if (n === 0) return undefined;
  return {
    shader: takeShader(wordType(x.dtype)),
    params: [n, idx.shape[axis], N, Q],
    workgroups: grid(n, 4 * WORKGROUP),
  };
}

const oneHotShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'oneHot',
    operands: [reads('at', 'i32', 0), writes('y', type as Words, 1)],
    params: { n: 'u32', size: 'u32', one: type === 'f16' ? 'f32' : 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    main: each(`let row = i / p.size;
    let j = bitcast<u32>(at(row));
    if (j >= p.size) { report(row); }
    set_y(i, select(${type === 'f16' ? '0.0' : '0u'}, p.one, j == i % p.size));`),
  }),
);

export function oneHotPass({
  outputs: [y],
  attrs: { n: size },
}: GpuCall<{ readonly n: number }>): GpuPass | undefined {
  const n = sizeOf(y.shape);
  if (n === 0) return undefined;
  const one = y.dtype === 'f16' ? 1 : wordOf(1, y.dtype);
  return {
    shader: oneHotShader(wordType(y.dtype)),
    params: [n, size, one],
    workgroups: grid(n, 4 * WORKGROUP),
  };
}

const sliceShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'sliceAt',
    operands: [reads('x', type as Words, 0), reads('start', 'i32', 1), writes('y', type as Words, 2)],
    params: { n: 'u32', size: 'u32', N: 'u32', Q: 'u32', rows: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    main: each(`let row = i / (p.size * p.Q);
    let s = bitcast<u32>(start(row * p.rows));
    if (s <= p.N - p.size) { set_y(i, x((row * p.N + s) * p.Q + i % (p.size * p.Q))); } else { report(row * p.rows); }`),
  }),
);

/** A window of an axis from a start that is data; `rows` is 1 when each row of axis 0 has its own start. */
export function slicePass({
  inputs: [x, start],
  outputs: [y],
  attrs: { axis, size },
}: GpuCall<{ readonly axis: number; readonly size: number }>): GpuPass | undefined {
  const [, N, Q] = around(x.shape, axis);
  const [type, per] = wordsOf([x, y], Q);
  const n = sizeOf(y.shape) / per;
  if (n === 0) return undefined;
  return {
    shader: sliceShader(type),
    params: [n, size, N, Q / per, start.shape.length],
    workgroups: grid(n, 4 * WORKGROUP),
  };
}

/** A body that begins with `bad`: true when any of the starts lies outside; the first such row is reported. */
const checked = (body: string): string => `for (var r = lix; r < p.starts; r += WG) {
  if (bitcast<u32>(start(r)) > p.N - p.size) { report(r); atomicStore(&wrong, 1u); }
}
workgroupBarrier();
let bad = atomicLoad(&wrong) != 0u;
${each(body)}`;

/** Writes the whole output, or, where x is the output already, the window alone. */
const updateShader = /* @__PURE__ */ memo((key) => {
  const [type, mode] = key.split(' ');
  const inPlace = mode === 'inplace';
  const at = `let s = bitcast<u32>(start(row * p.rows));`;
  return shader({
    name: `updateAt/${mode}`,
    operands: [
      ...(inPlace ? [] : [reads('x', type as Words, 0)]),
      reads('u', type as Words, 1),
      reads('start', 'i32', 2),
      writes('y', type as Words, 3),
    ],
    params: { n: 'u32', size: 'u32', N: 'u32', Q: 'u32', rows: 'u32', starts: 'u32' },
    workgroup: WORKGROUP,
    reports: true,
    declare: 'var<workgroup> wrong: atomic<u32>;',
    main: checked(
      inPlace
        ? `let row = i / (p.size * p.Q);
    ${at}
    if (!bad) { set_y((row * p.N + s) * p.Q + i % (p.size * p.Q), u(i)); }`
        : `let row = i / (p.N * p.Q);
    ${at}
    let j = (i / p.Q) % p.N - s;
    if (!bad && j < p.size) { set_y(i, u((row * p.size + j) * p.Q + i % p.Q)); } else { set_y(i, x(i)); }`,
    ),
  });
});

/** x with an update written at a start that is data; nothing is written when any window lies outside. */
export function updatePass({
  inputs: [x, u, start],
  outputs: [y],
  attrs: { axis },
  alias,
}: GpuCall<{ readonly axis: number }>): GpuPass | undefined {
  const [P, N, Q] = around(x.shape, axis);
  const inPlace = alias[0] === 0;
  const [type, per] = wordsOf([x, u, y], Q);
  const n = sizeOf(inPlace ? u.shape : y.shape) / per;
  if (n === 0) return undefined;
  const rows = start.shape.length;
  return {
    shader: updateShader(`${type} ${inPlace ? 'inplace' : 'copy'}`),
    params: [n, u.shape[axis], N, Q / per, rows, rows === 1 ? P : 1],
    workgroups: grid(n, 4 * WORKGROUP),
  };
}
