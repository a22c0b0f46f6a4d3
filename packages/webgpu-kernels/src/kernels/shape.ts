import type { GpuPass, GpuView } from '@seq/tensor/engine';
import {
  concatOp,
  copyOp,
  padOp,
  reshapeOp,
  sizeOf,
  stridesOf,
  triangleOp,
  unsliceOp,
} from '@seq/tensor/engine';
import { besideEachOther } from '../wgsl/join.js';
import { grid, memo, reads, shader, writes } from '../wgsl/shader.js';
import { planOf } from './elementwise.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { copyPass, transposePass, wordType } from './shape/copy.js';
import { placePass } from './shape/place.js';

const WORKGROUP = 64;

/** Keeps column − row ≤ k (or ≥ k) of the last two axes. `key`: type, `upper` or `lower`, aliased or not. */
const triangleShader = /* @__PURE__ */ memo((key) => {
  const [type, side, alias] = key.split(' ');
  return shader({
    name: `triangle/${side}`,
    operands: [reads('x', type as 'f16' | 'u32', 0), writes('y', type as 'f16' | 'u32', 1)],
    params: { n: 'u32', rows: 'u32', columns: 'u32', k: 'i32' },
    workgroup: WORKGROUP,
    main: `for (var k = 0u; k < 4u; k++) {
  let i = (group * 4u + k) * WG + lix;
  if (i < p.n) {
    let d = i32(i % p.columns) - i32((i / p.columns) % p.rows);
    var v = x(i);
    if (d ${side === 'upper' ? '<' : '>'} p.k) { v = ${type === 'f16' ? '0.0' : '0u'}; }
    set_y(i, v);
  }
}`,
    alias: [Number(alias)],
  });
});

/** The part of an output that begins `at` elements along an axis and has the shape of `like`. */
const part = (y: GpuView, like: GpuView): GpuView => ({
  ...y,
  shape: like.shape,
  strides: stridesOf(y.shape),
});

/** The passes that put inputs one behind the other along an axis, in as few dispatches as the bindings allow. */
function concatPasses(
  inputs: readonly GpuView[],
  y: GpuView,
  axis: number,
  single: boolean,
  storageBuffers: number,
): GpuPass[] {
  const stride = stridesOf(y.shape)[axis];
  let at = 0;
  const passes = inputs.flatMap((view, operand) => {
    const base = at;
    at += view.shape[axis] * stride;
    const to = { view: part(y, view), operand: inputs.length, base };
    return copyPass({ view, operand }, to, undefined, single) ?? [];
  });
  const types = new Set(passes.map(({ shader }) => shader.parts?.bound[0].type));
  if (types.size > 1) return concatPasses(inputs, y, axis, true, storageBuffers);
  return besideEachOther(passes, storageBuffers);
}

/** Ops that move elements. Views need no kernel. */
export const shapeKernels = (): Entry[] => [
  ...[copyOp, reshapeOp].map((op): Entry =>
    entry<unknown>(op, {
      strided: true,
      inplace: [[0, 0]],
      variants: [
        {
          name: 'tile',
          // Measured 2.5 (lavapipe) to 30 times (SwiftShader) slower than plain strides where the adapter is a program.
          supports: ({ inputs: [x], outputs: [y], alias }, limits) =>
            limits.software ||
            alias[0] !== -1 ||
            sizeOf(y.shape) < 1024 ||
            transposePass(x, 0, dense(x, y), 1) === undefined
              ? 'it must be a transposition of 1,024 elements or more on a real GPU'
              : true,
          plan: ({ inputs: [x], outputs: [y] }) => planOf(transposePass(x, 0, dense(x, y), 1)),
        },
        ...(['fours', 'single'] as const).map((name) => ({
          name,
          supports: (): true => true,
          plan: ({
            inputs: [x],
            outputs: [y],
            alias,
          }: {
            inputs: readonly GpuView[];
            outputs: readonly GpuView[];
            alias: readonly number[];
          }) =>
            // In place there is nothing to do: the operand is dense and is the output.
            alias[0] === 0
              ? { passes: [] }
              : planOf(
                  copyPass(
                    { view: x, operand: 0 },
                    { view: dense(x, y), operand: 1 },
                    undefined,
                    name === 'single',
                  ),
                ),
        })),
      ],
    }),
  ),
  entry(concatOp, {
    strided: true,
    variants: (['fours', 'single'] as const).map((name) => ({
      name,
      supports: () => true,
      plan: ({ inputs, outputs: [y], attrs: { axis } }, { storageBuffers }) =>
        planOf(...concatPasses(inputs, y, axis, name === 'single', storageBuffers)),
    })),
  }),
  entry(padOp, {
    strided: true,
    variants: [
      {
        name: 'place',
        supports: () => true,
        plan: ({ inputs: [x], outputs: [y], attrs: { axis, before, value } }) =>
          planOf(placePass(x, y, axis, before, 1, value)),
      },
    ],
  }),
  entry(unsliceOp, {
    strided: true,
    variants: [
      {
        name: 'place',
        supports: () => true,
        plan: ({ inputs: [x], outputs: [y], attrs: { axis, start, step } }) =>
          planOf(placePass(x, y, axis, start, step, 0)),
      },
    ],
  }),
  entry(triangleOp, {
    inplace: [[0, 0]],
    variants: [
      {
        name: 'words',
        supports: () => true,
        plan({ inputs: [x], outputs: [y], attrs: { k, upper }, alias }) {
          const n = sizeOf(y.shape);
          if (n === 0) return { passes: [] };
          const [rows, columns] = y.shape.slice(-2) as [number, number];
          const pass: GpuPass = {
            shader: triangleShader(`${wordType(x.dtype)} ${upper ? 'upper' : 'lower'} ${alias[0]}`),
            params: [n, rows, columns, Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, k))],
            workgroups: grid(n, 4 * WORKGROUP),
          };
          return { passes: [pass] };
        },
      },
    ],
  }),
];

/** The output of a copy with the shape of its operand. */
function dense(x: GpuView, y: GpuView): GpuView {
  return { ...y, shape: x.shape, strides: stridesOf(x.shape) };
}
