// WebGPU kernels of the sum of squares of many tensors: one dispatch reads as many as its storage buffers allow.
import { sizeOf } from '@seq/tensor';
import type { GpuKernels, GpuPass, GpuShader } from '@seq/tensor/engine';
import { combineText, foldLanes, grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';

interface SquaresShape {
  /** For each tensor of the dispatch the number of its input, and whether it is read by fours. */
  readonly tensors: readonly (readonly [input: number, four: boolean])[];
  readonly buffers: readonly number[] | undefined;
  /** Number of the operand for partial sums. */
  readonly partial: number;
  /** Invocations whose sums are added up before they are written. */
  readonly lanes: number;
}

/** Tensors of one dispatch at most: each has a loop of the text. */
const most = 64;

/** Invocations that may write a partial sum, in one dispatch. */
const mostParts = 256;

/** Every invocation takes every so-manieth element of each tensor; a workgroup, or an invocation alone, leaves one sum. */
const squaresShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { tensors, buffers, partial, lanes } = JSON.parse(key) as SquaresShape;
  const params: { [name: string]: 'u32' } = { stride: 'u32', parts: 'u32', at: 'u32' };
  tensors.forEach((_, k) => (params[`n${k}`] = 'u32'));
  return shader({
    name: `sumSquares/${tensors.length}`,
    operands: [
      ...tensors.map(([input, four], k) => reads(`x${k}`, four ? 'f32x4' : 'f32', input)),
      writes('partial', 'f32', partial),
    ],
    params,
    buffers,
    workgroup: lanes === 1 ? 64 : lanes,
    declare: `${combineText.add('f32')}
${foldLanes({ name: 'across', type: 'f32', combine: 'add', lanes, slots: 1 })}`,
    main: `
  var sum = 0.0;
  ${tensors
    .map(
      ([, four], k) => `for (var i = linear; i < p.n${k}; i += p.stride) {
    let v = x${k}(i);
    sum += ${four ? 'dot(v, v)' : 'v * v'};
  }`,
    )
    .join('\n  ')}
  let total = across(0u, lix, sum);
  let part = linear / ${lanes}u;
  if (part < p.parts && linear % ${lanes}u == 0u) { set_partial(p.at + part, total); }`,
  });
});

/** One workgroup adds up all partial sums. */
const totalShader = /* @__PURE__ */ memo((key): GpuShader => {
  const [output, lanes] = JSON.parse(key) as [number, number];
  return shader({
    name: 'sumSquares/total',
    operands: [reads('partial', 'f32', output + 1), writes('y', 'f32', output)],
    params: { parts: 'u32' },
    workgroup: lanes,
    declare: `${combineText.add('f32')}
${foldLanes({ name: 'across', type: 'f32', combine: 'add', lanes, slots: 1 })}`,
    main: `
  var sum = 0.0;
  for (var i = lix; i < p.parts; i += ${lanes}u) { sum += partial(i); }
  let total = across(0u, lix, sum);
  if (lix == 0u) { set_y(0u, total); }`,
  });
});

/** Kernels of Σ x² over all inputs. */
export const squaresKernels: GpuKernels<null> = {
  packs: [],
  variants: [
    {
      name: 'together',
      supports: ({ inputs }) => inputs.every((x) => x.dtype === 'f32') || 'tensors must be f32',
      plan({ inputs, buffers }, { storageBuffers, software }) {
        // A program on the CPU waits long at barriers: there every invocation leaves a sum of its own.
        const lanes = software ? 1 : 256;
        const tensors = inputs.map((x, input) => {
          const n = sizeOf(x.shape);
          const four = n % 4 === 0 && x.aligned % 4 === 0;
          return { input, four, n: four ? n / 4 : n };
        });
        const passes: GpuPass[] = [];
        let at = 0;
        for (let from = 0; from < tensors.length;) {
          const bindings = new Set<string>();
          let to = from;
          for (; to < tensors.length; to++) {
            const { input, four } = tensors[to];
            bindings.add(`${buffers?.[input] ?? input} ${four}`);
            if (bindings.size === storageBuffers || to - from === most) break;
          }
          const group = tensors.slice(from, to);
          from = to;
          const all = group.reduce((sum, { n }) => sum + n, 0);
          // Whole workgroups, so that no invocation adds up what nobody reads.
          const wanted = Math.min(mostParts, Math.max(1, Math.ceil(all / (lanes * 16))));
          const parts = lanes === 1 ? 64 * Math.ceil(wanted / 64) : wanted;
          const shape: SquaresShape = {
            tensors: group.map(({ input, four }) => [input, four]),
            // The partial sums are nobody's neighbours.
            buffers: buffers && [...buffers, -1],
            partial: inputs.length + 1,
            lanes,
          };
          const workgroups = lanes === 1 ? grid(parts, 64) : grid(parts);
          passes.push({
            shader: squaresShader(JSON.stringify(shape)),
            params: [parts * lanes, parts, at, ...group.map(({ n }) => n)],
            workgroups,
          });
          at += parts;
        }
        passes.push({
          shader: totalShader(JSON.stringify([inputs.length, lanes])),
          params: [at],
          workgroups: [1, 1, 1],
        });
        return { passes, scratch: [4 * at] };
      },
    },
  ],
};
