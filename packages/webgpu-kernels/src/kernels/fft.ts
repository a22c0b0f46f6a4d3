import { fftOp, fftPlan, sizeOf } from '@seq/tensor/engine';
import type { FftAttrs, GpuCall, GpuPlan } from '@seq/tensor/engine';
import { grid } from '../wgsl/index.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { passShader, tileShader } from './fft-text.js';

/** Longest row whose both parts lie in the workgroup memory of every device. */
const longestTile = 2048;

function lengthOf({ inputs: [re] }: GpuCall<FftAttrs>): number {
  return re.shape[re.shape.length - 1];
}

/** Rows in workgroup memory, one dispatch. */
function planTiles(call: GpuCall<FftAttrs>): GpuPlan {
  const n = lengthOf(call);
  const { inverse, scale } = call.attrs;
  const rows = sizeOf(call.inputs[0].shape) / n;
  if (rows === 0) return { passes: [] };
  const { stages, factors32 } = fftPlan(n);
  const shape = { n, invocations: Math.min(256, n / 4), stages, swap: inverse ? 1 : 0 };
  const pass = { shader: tileShader(JSON.stringify(shape)), params: [rows, scale], workgroups: grid(rows) };
  return { passes: [pass], data: [factors32] };
}

/** One dispatch for each radix of the length, between the outputs and scratch so that the last one ends in the outputs. */
function planPasses(call: GpuCall<FftAttrs>): GpuPlan {
  const n = lengthOf(call);
  const { inverse, scale } = call.attrs;
  const count = sizeOf(call.inputs[0].shape);
  if (count === 0) return { passes: [] };
  const { stages, factors32 } = fftPlan(n);
  // One element is a butterfly of one leg.
  const list = stages.length > 0 ? stages : [{ radix: 1, m: 1, s: 1, factors: 0 }];
  const turn = (a: number): [number, number] => (inverse ? [a + 1, a] : [a, a + 1]);
  let from = turn(0);
  const passes = list.map(({ radix, m, s, factors }, i) => {
    const to = turn((list.length - i) % 2 === 1 ? 2 : 4);
    const last = i === list.length - 1;
    const text = passShader(JSON.stringify({ radix, from, to, factors: 6, last }));
    from = to;
    const params = [count / radix, n / radix, m, s, factors, scale];
    return { shader: text, params, workgroups: grid(count / radix, 64) };
  });
  return { passes, scratch: [4 * count, 4 * count], data: [n > 1 ? factors32 : new Float32Array(1)] };
}

export const fftKernels = (): Entry[] => [
  entry(fftOp, {
    variants: [
      {
        name: 'tile',
        supports(call, limits) {
          const n = lengthOf(call);
          if (limits.software) return 'barriers cost more than memory does';
          return (
            (n >= 16 && n <= longestTile && (n & (n - 1)) === 0) || `a power of two from 16 to ${longestTile}`
          );
        },
        plan: planTiles,
      },
      { name: 'passes', supports: () => true, plan: planPasses },
    ],
  }),
];
