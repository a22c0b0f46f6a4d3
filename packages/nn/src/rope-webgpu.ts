// WebGPU kernels of rope: one invocation turns one pair of channels, or four neighbouring pairs.
import { sizeOf } from '@seq/tensor';
import type { GpuKernels, GpuShader } from '@seq/tensor/engine';
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
  const [a, b] = interleaved ? ['base + 2u * i', 'base + 2u * i + 1u'] : ['base + i', 'base + i + p.half'];
  return shader({
    name: 'rope',
    operands: [reads('x', type, 0), reads('c', type, 1), reads('s', type, 2), writes('y', type, 3)],
    params: { n: 'u32', D: 'u32', half: 'u32', H: 'u32', table: 'u32' },
    workgroup: 256,
    alias,
    main: `
  if (linear >= p.n) { return; }
  let units = p.D - p.half;
  let head = linear / units;
  let i = linear % units;
  let base = head * p.D;
  if (i >= p.half) { set_y(base + p.half + i, x(base + p.half + i)); return; }
  let angle = ((head / p.H) % p.table) * p.half + i;
  let cosine = c(angle);
  let sine = s(angle);
  let first = x(${a});
  let second = x(${b});
  set_y(${a}, first * cosine - second * sine);
  set_y(${b}, second * cosine + first * sine);`,
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
      return [...inputs, ...outputs].every((v) => v.aligned % 4 === 0) || 'operands must begin at fours';
    },
    plan({ inputs: [x, cos], attrs: { interleaved }, alias }) {
      const per = four ? 4 : 1;
      const [, , H, channels] = x.shape;
      const [D, half] = [channels / per, cos.shape[2] / per];
      const n = sizeOf(x.shape.slice(0, 3)) * (D - half);
      if (n === 0) return { passes: [] };
      return {
        passes: [
          {
            shader: ropeShader(JSON.stringify({ interleaved, four, alias } satisfies RopeShape)),
            params: [n, D, half, H, cos.shape[0] * cos.shape[1]],
            workgroups: grid(n, 256),
          },
        ],
      };
    },
  });
  return { inplace: [[0, 0]], variants: [variant('fours', true), variant('pairs', false)] };
}
