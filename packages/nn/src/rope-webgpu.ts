// WebGPU kernels of rope: one invocation turns one pair of channels, or four neighbouring pairs.
import { sizeOf } from '@seq/tensor';
import type { GpuKernels, GpuShader, GpuView } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';

interface RopeShape {
  readonly interleaved: boolean;
  /** Four pairs at once; those of halves only. */
  readonly four: boolean;
  readonly alias: readonly number[];
}

/** Unit i of a head [D]: pair i while i < half, then the channels that stay. */
const ropeShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { interleaved, four, alias } = JSON.parse(key) as RopeShape;
  const type = four ? 'f32x4' : 'f32';
  const [first, second] = interleaved ? ['2u * i', '2u * i + 1u'] : ['i', 'i + p.half'];
  const source = (channel: string): string => `source + (${channel}) * p.xi`;
  return shader({
    name: 'rope',
    operands: [reads('x', type, 0), reads('c', type, 1), reads('s', type, 2), writes('y', type, 3)],
    params: Object.fromEntries(
      'n D half H T xb xt xh xi cb ct ci sb st si'.split(' ').map((name) => [name, 'u32' as const]),
    ),
    workgroup: 256,
    alias,
    main: `
  if (linear >= p.n) { return; }
  let units = p.D - p.half;
  let head = linear / units;
  let i = linear % units;
  let t = head / p.H % p.T;
  let b = head / (p.H * p.T);
  let source = b * p.xb + t * p.xt + head % p.H * p.xh;
  let to = head * p.D;
  if (i >= p.half) { set_y(to + p.half + i, x(${source('p.half + i')})); return; }
  let cosine = c(b * p.cb + t * p.ct + i * p.ci);
  let sine = s(b * p.sb + t * p.st + i * p.si);
  let first = x(${source(first)});
  let second = x(${source(second)});
  set_y(to + ${first}, first * cosine - second * sine);
  set_y(to + ${second}, second * cosine + first * sine);`,
  });
});

/** Kernels of rope: inputs x [B, T, H, D], cos and sin [1 or B, T, R/2]; output like x. */
export function ropeKernels(): GpuKernels<{ readonly interleaved: boolean }> {
  const variant = (name: string, four: boolean): ReturnType<typeof ropeKernels>['variants'][number] => ({
    name,
    supports({ inputs, outputs, attrs: { interleaved } }) {
      const [x, cos] = inputs;
      if (x.dtype !== 'f32') return `x must be f32, got ${x.dtype}`;
      if (!four) return true;
      if (interleaved) return 'pairs must lie apart';
      if (cos.shape[2] % 4 !== 0 || x.shape[3] % 4 !== 0) return 'halves must be whole fours';
      const fours = ({ aligned, strides }: GpuView): boolean =>
        aligned % 4 === 0 && strides.at(-1) === 1 && strides.slice(0, -1).every((s) => s % 4 === 0);
      return [...inputs, ...outputs].every(fours) || 'rows must begin at fours';
    },
    plan({ inputs: [x, cos, sin], attrs: { interleaved }, alias }) {
      const per = four ? 4 : 1;
      const [, T, H, channels] = x.shape;
      const strides = (v: GpuView): number[] =>
        v.strides.map((s, i) => (v.shape[i] === 1 ? 0 : i === v.strides.length - 1 ? s : s / per));
      const [D, half] = [channels / per, cos.shape[2] / per];
      const n = sizeOf(x.shape.slice(0, 3)) * (D - half);
      if (n === 0) return { passes: [] };
      return {
        passes: [
          {
            shader: ropeShader(JSON.stringify({ interleaved, four, alias } satisfies RopeShape)),
            params: [n, D, half, H, T, ...strides(x), ...strides(cos), ...strides(sin)],
            workgroups: grid(n, 256),
          },
        ],
      };
    },
  });
  return { strided: true, inplace: [[0, 0]], variants: [variant('fours', true), variant('pairs', false)] };
}
