import type { DType, GpuPass } from '@seq/tensor/engine';
import { arangeOp, constantOp, fillOp, sizeOf } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../wgsl/shader.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';

/** The word that holds a number of an element type other than f16, as the CPU would store it. */
export function wordOf(value: number, dtype: DType): number {
  if (dtype === 'bool') return value !== 0 ? 1 : 0;
  if (dtype === 'i32' || dtype === 'u32') return value >>> 0;
  return new Uint32Array(new Float32Array([value]).buffer)[0];
}

const WORKGROUP = 64;

/** Four elements an invocation where the output is whole; one where not; halves by their value. */
const fillShader = /* @__PURE__ */ memo((key) => {
  const [type, operand] = key.split(' ');
  const scalar = type === 'f16' ? 'f32' : 'u32';
  const value = type === 'u32x4' ? 'vec4<u32>(p.value)' : 'p.value';
  return shader({
    name: 'fill',
    operands: [writes('y', type as 'u32' | 'u32x4' | 'f16', Number(operand))],
    params: { n: 'u32', value: scalar },
    workgroup: WORKGROUP,
    main: `for (var k = 0u; k < 4u; k++) {
  let i = (group * 4u + k) * WG + lix;
  if (i < p.n) { set_y(i, ${value}); }
}`,
  });
});

/** A pass that sets n elements of an operand from its beginning. */
export function fillPass(dtype: DType, operand: number, n: number, aligned: number, value: number): GpuPass {
  const fours = dtype !== 'f16' && n % 4 === 0 && aligned % 4 === 0;
  const type = dtype === 'f16' ? 'f16' : fours ? 'u32x4' : 'u32';
  const count = fours ? n / 4 : n;
  return {
    shader: fillShader(`${type} ${operand}`),
    params: [count, dtype === 'f16' ? value : wordOf(value, dtype)],
    workgroups: grid(count, 4 * WORKGROUP),
  };
}

/** start + i step: exact for integers, in f32 one rounding more than on the CPU. */
const arangeShader = /* @__PURE__ */ memo((type) => {
  const float = type === 'f32' || type === 'f16';
  const number = float ? 'f32' : (type as 'i32' | 'u32');
  return shader({
    name: 'arange',
    operands: [writes('y', type as 'f32' | 'f16' | 'i32' | 'u32', 0)],
    params: { n: 'u32', start: number, step: number },
    workgroup: WORKGROUP,
    main: `for (var k = 0u; k < 4u; k++) {
  let i = (group * 4u + k) * WG + lix;
  if (i < p.n) { set_y(i, ${float ? 'fma(f32(i), p.step, p.start)' : `p.start + ${number}(i) * p.step`}); }
}`,
  });
});

/** Copies a constant operand; `x` is element i of the data. */
const dataShader = /* @__PURE__ */ memo((type) =>
  shader({
    name: 'constant',
    operands: [writes('y', type as 'u32' | 'f16', 0), reads('x', type as 'u32' | 'f16', 1)],
    params: { n: 'u32' },
    workgroup: WORKGROUP,
    main: `for (var k = 0u; k < 4u; k++) {
  let i = (group * 4u + k) * WG + lix;
  if (i < p.n) { set_y(i, x(i)); }
}`,
  }),
);

/** Ops without operands: constants, progressions, given elements. */
export const creationKernels = (): Entry[] => [
  entry(fillOp, {
    variants: [
      {
        name: 'words',
        supports: () => true,
        plan({ outputs: [y], attrs: { value } }) {
          const n = sizeOf(y.shape);
          return { passes: n === 0 ? [] : [fillPass(y.dtype, 0, n, y.aligned, value)] };
        },
      },
    ],
  }),
  entry(arangeOp, {
    variants: [
      {
        name: 'formula',
        supports: () => true,
        plan({ outputs: [y], attrs: { start, step, count, dtype } }) {
          if (count === 0) return { passes: [] };
          const integers = dtype === 'i32' || dtype === 'u32' || dtype === 'bool';
          if (integers && !(dtype !== 'bool' && Number.isInteger(start) && Number.isInteger(step))) {
            // Fractions truncate one by one.
            const words = Uint32Array.from({ length: count }, (_, i) => wordOf(start + i * step, dtype));
            return { passes: [dataPass('u32', count)], data: [words] };
          }
          const bits = (v: number): number => (dtype === 'u32' ? v >>> 0 : integers ? v | 0 : v);
          return {
            passes: [
              {
                shader: arangeShader(y.dtype),
                params: [count, bits(start), bits(step)],
                workgroups: grid(count, 4 * WORKGROUP),
              },
            ],
          };
        },
      },
    ],
  }),
  entry(constantOp, {
    variants: [
      {
        name: 'data',
        supports: () => true,
        plan({ attrs: { data, dtype, shape } }) {
          const n = sizeOf(shape);
          if (n === 0) return { passes: [] };
          if (dtype === 'f16') {
            const even = new Uint16Array(n + (n & 1));
            even.set(data.subarray(0, n));
            return { passes: [dataPass('f16', n)], data: [even] };
          }
          const words =
            dtype === 'bool'
              ? Uint32Array.from(data.subarray(0, n))
              : new Uint32Array(data.slice(0, n).buffer, 0, n);
          return { passes: [dataPass('u32', n)], data: [words] };
        },
      },
    ],
  }),
];

function dataPass(type: 'u32' | 'f16', n: number): GpuPass {
  return { shader: dataShader(type), params: [n], workgroups: grid(n, 4 * WORKGROUP) };
}
