import { apply, concat, defineOp, expandDims, slice, where, zerosLike } from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import type { GpuCall, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';

/** The direction of time, and whether a third input says where the state is cleared. */
export interface PreviousAttrs {
  readonly reverse: boolean;
  readonly resets: boolean;
}

/**
 * The states that the positions start from: `first`, then `states` without the last; 0 where the state is cleared.
 *
 * @param states  [B, T, H]  states after each position
 * @param first   [B, H]     state before the first position read (the last one when `reverse`)
 */
export function previousStates(
  states: Tensor,
  first: Tensor,
  reverse: boolean,
  resets: Tensor | undefined,
): Tensor {
  const inputs = resets ? [states, first, resets] : [states, first];
  return apply(previousOp, inputs, { reverse, resets: !!resets }) as Tensor;
}

/** `previousStates` in one dispatch. */
export const previousOp: Op<PreviousAttrs> = /* @__PURE__ */ defineOp<PreviousAttrs>({
  name: 'recurrence.previous',
  infer: ([states]) => ({ shape: states.shape, dtype: states.dtype }),
  reference: ([states, first, resets], { reverse }) => shifted(states, first, reverse, resets),
  webgpu: {
    variants: [
      {
        name: 'linear',
        supports: ({ inputs: [states] }) => states.dtype === 'f32' || 'computes f32 only',
        plan: planPrevious,
      },
    ],
  },
});

/** The same of composed operations. */
export function shifted(states: Tensor, first: Tensor, reverse: boolean, resets: Tensor | undefined): Tensor {
  const T = states.shape[1];
  const before = expandDims(first, 1);
  const previous = reverse
    ? concat([slice(states, 1, 1, T), before], 1)
    : concat([before, slice(states, 1, 0, T - 1)], 1);
  return resets ? where(expandDims(resets, -1), zerosLike(previous), previous) : previous;
}

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
