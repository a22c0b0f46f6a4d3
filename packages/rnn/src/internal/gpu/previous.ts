// WebGPU kernel of `previousStates`, and its text for loops that need no tensor of them.
import type { GpuCall, GpuKernels, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { PreviousAttrs } from '../previous.js';

/**
 * WGSL: the state h that position `at` (of all) starts from, of unit j; T, H, first time `p.t0` and `p.onward`, which
 * leads from a position to the next one read, are parameters.
 */
export function previousText(resets: boolean): string {
  const before = `let t = at % p.T;
var h = 0.0;
if (t == p.t0) { h = first(at / p.T * p.H + j); } else { h = states((at - p.onward) * p.H + j); }`;
  return resets ? `${before}\nif (resets(at)) { h = 0.0; }` : before;
}

/** The parameters of `previousText` behind the number of elements. */
export function previousSizes(T: number, H: number, reverse: boolean): number[] {
  return [T, H, reverse ? T - 1 : 0, reverse ? 0xffff_ffff : 1];
}

/** One element per invocation. */
const previousShader = /* @__PURE__ */ memo((key): GpuShader => {
  const resets = key === 'resets';
  return shader({
    name: 'recurrence/previous',
    operands: [
      reads('states', 'f32', 0),
      reads('first', 'f32', 1),
      ...(resets ? [reads('resets', 'bool', 2)] : []),
      writes('y', 'f32', resets ? 3 : 2),
    ],
    params: { n: 'u32', T: 'u32', H: 'u32', t0: 'u32', onward: 'u32' },
    workgroup: 256,
    main: `
if (linear >= p.n) { return; }
let at = linear / p.H;
let j = linear % p.H;
${previousText(resets)}
set_y(linear, h);`,
  });
});

function planPrevious({ inputs, attrs }: GpuCall<PreviousAttrs>): GpuPlan {
  const [B, T, H] = inputs[0].shape;
  const n = B * T * H;
  const pass = {
    shader: previousShader(attrs.resets ? 'resets' : ''),
    params: [n, ...previousSizes(T, H, attrs.reverse)],
    workgroups: grid(n, 256),
  };
  return { passes: [pass] };
}

/** States after each position, the first one, and where they are cleared → the states before each position. */
export const previousKernels: GpuKernels<PreviousAttrs> = {
  variants: [
    {
      name: 'linear',
      supports: ({ inputs: [states] }) => states.dtype === 'f32' || 'computes f32 only',
      plan: planPrevious,
    },
  ],
};
