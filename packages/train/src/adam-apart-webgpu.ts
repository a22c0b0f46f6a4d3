// AMSGrad for devices that bind fewer buffers than the ten of one parameter: three dispatches for each.
import { sizeOf } from '@seq/tensor';
import type { GpuCall, GpuPass, GpuShader, GpuVariant } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { hyperText } from './adam-text.js';
import type { AdamAttrs } from './optimizer-ops.js';

/** What a dispatch computes: the mean of g, that of g² with its largest, or the step from both. */
type Part = 'mean' | 'square' | 'step';

interface PartShape {
  readonly part: Part;
  readonly decoupled: boolean;
  /** Numbers of x, the parameter's first input, of hyper, and of the first result. */
  readonly x: number;
  readonly hyper: number;
  readonly output: number;
  readonly alias: readonly number[];
}

/** One invocation, one element; with hyper.w = 0 everything stays as it is. */
const partShader = /* @__PURE__ */ memo((key): GpuShader => {
  const { part, decoupled, x, hyper, output, alias } = JSON.parse(key) as PartShape;
  const gradient = `let d = h.sign * g(linear)${decoupled ? '' : ' + p.decay * x(linear)'};`;
  const from = [reads('g', 'f32', x + 1), ...(decoupled ? [] : [reads('x', 'f32', x)])];
  const parts = {
    mean: {
      operands: [...from, reads('m', 'f32', x + 2), writes('y', 'f32', output + 1)],
      main: `${gradient}
  set_y(linear, select(m(linear), p.beta1 * m(linear) + p.fresh1 * d, on));`,
    },
    square: {
      operands: [
        ...[...from, reads('v', 'f32', x + 3), reads('t', 'f32', x + 4)],
        ...[writes('yv', 'f32', output + 2), writes('yt', 'f32', output + 3)],
      ],
      main: `${gradient}
  let v1 = p.beta2 * v(linear) + p.fresh2 * d * d;
  let most = select(t(linear), max(t(linear), v1), on);
  set_yv(linear, select(v(linear), v1, on));
  set_yt(linear, most);`,
    },
    step: {
      operands: [
        ...[reads('x', 'f32', x), reads('m', 'f32', output + 1), reads('t', 'f32', output + 3)],
        writes('y', 'f32', output),
      ],
      main: `let kept = ${decoupled ? 'x(linear) - (h.lr * p.decay) * x(linear)' : 'x(linear)'};
  let moved = kept - h.size * m(linear) / (sqrt(t(linear)) / h.root + p.eps);
  set_y(linear, select(x(linear), moved, on));`,
    },
  };
  const { operands, main } = parts[part];
  return shader({
    name: `adam/${part}`,
    operands: [reads('hyper', 'f32', hyper), ...operands],
    params: {
      ...{ n: 'u32', decay: 'f32', beta1: 'f32', fresh1: 'f32', log1: 'f32', beta2: 'f32', fresh2: 'f32' },
      ...{ log2: 'f32', eps: 'f32', sign: 'f32' },
    },
    workgroup: 256,
    alias,
    declare: hyperText,
    main: `if (linear >= p.n) { return; }
  let h = hyper_of();
  let on = hyper(3u) != 0.0;
  ${main}`,
  });
});

/** Results that a part writes, counted from the parameter's first. */
const writtenBy: { readonly [P in Part]: readonly number[] } = { mean: [1], square: [2, 3], step: [0] };

function planApart(call: GpuCall<AdamAttrs>, count: number): GpuPass[] {
  const { beta1, beta2, eps, weightDecay, decoupled, maximize } = call.attrs;
  return Array.from({ length: count }, (_, k) => k).flatMap((k) => {
    const n = sizeOf(call.inputs[5 * k].shape);
    if (n === 0) return [];
    return (['mean', 'square', 'step'] as const).map((part): GpuPass => {
      // What shares its memory with a result of another part is an operand of its own here.
      const written = writtenBy[part].map((i) => 4 * k + i);
      const shape: PartShape = {
        ...{ part, decoupled, x: 5 * k, hyper: 5 * count, output: call.inputs.length + 4 * k },
        alias: call.alias.map((to) => (written.includes(to) ? to : -1)),
      };
      return {
        shader: partShader(JSON.stringify(shape)),
        params: [
          ...[n, weightDecay[k], beta1, 1 - beta1, Math.log(beta1), beta2, 1 - beta2, Math.log(beta2)],
          ...[eps, maximize ? -1 : 1],
        ],
        workgroups: grid(n, 256),
      };
    });
  });
}

/** The variant of `adamKernels(count, true, …)` that needs at most seven storage buffers. */
export const apartVariant = (count: number): GpuVariant<AdamAttrs> => ({
  name: 'apart',
  supports({ inputs, attrs }) {
    if (inputs[0].dtype !== 'f32') return `parameters must be f32, got ${inputs[0].dtype}`;
    return attrs.beta1 * attrs.beta2 !== 0 || 'means must be kept: betas of 0 have no logarithm';
  },
  plan: (call) => ({ passes: planApart(call, count) }),
});
