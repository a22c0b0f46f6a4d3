// WebGPU kernels of Adam: one dispatch updates as many parameters as its storage buffers allow.
import { sizeOf } from '@seq/tensor';
import type { GpuCall, GpuKernels, GpuPass, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { apartVariant } from './adam-apart-webgpu.js';
import { hyperText } from './adam-text.js';
import type { AdamAttrs } from './optimizer-ops.js';

interface AdamShape {
  readonly amsgrad: boolean;
  readonly decoupled: boolean;
  /** For each parameter of the dispatch the number of its first input, and whether it is read by fours. */
  readonly parameters: readonly (readonly [input: number, four: boolean])[];
  /** Numbers of the hyper input and of the first output of the first parameter. */
  readonly hyper: number;
  readonly output: number;
  readonly alias: readonly number[];
}

/** One element, or four, of a parameter: what the CPU's loop does. */
const moveText = ({ amsgrad, decoupled }: AdamShape, T: string): string => `
struct Moved_${T} { p: ${T}, m: ${T}, v: ${T}${amsgrad ? `, top: ${T}` : ''} }
fn move_${T}(h: Hyper, decay: f32, x: ${T}, g: ${T}, m: ${T}, v: ${T}${amsgrad ? `, top: ${T}` : ''}) -> Moved_${T} {
  let d = h.sign * g${decoupled ? '' : ' + decay * x'};
  let m1 = p.beta1 * m + p.fresh1 * d;
  let v1 = p.beta2 * v + p.fresh2 * d * d;
  ${amsgrad ? 'let most = max(top, v1);' : 'let most = v1;'}
  let kept = ${decoupled ? 'x - (h.lr * decay) * x' : 'x'};
  let x1 = kept - h.size * m1 / (sqrt(most) / h.root + p.eps);
  return Moved_${T}(x1, m1, v1${amsgrad ? ', most' : ''});
}`;

/** One invocation updates one element, or four, of the parameter that its number falls into. */
const adamShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as AdamShape;
  const names = ['p', 'm', 'v', ...(s.amsgrad ? ['t'] : [])];
  const typeOf = (four: boolean): 'f32x4' | 'f32' => (four ? 'f32x4' : 'f32');
  const types = new Set(s.parameters.map(([, four]) => (four ? 'vec4f' : 'f32')));
  const params: { [name: string]: 'u32' | 'f32' } = {
    beta1: 'f32',
    fresh1: 'f32',
    log1: 'f32',
    beta2: 'f32',
    fresh2: 'f32',
    log2: 'f32',
    eps: 'f32',
    sign: 'f32',
  };
  s.parameters.forEach((_, k) => {
    params[`end${k}`] = 'u32';
    params[`decay${k}`] = 'f32';
  });
  const branch = (k: number): string => {
    const at = `(linear${k === 0 ? '' : ` - p.end${k - 1}`})`;
    const T = s.parameters[k][1] ? 'vec4f' : 'f32';
    const old = ['x', 'g', 'm', 'v', ...(s.amsgrad ? ['t'] : [])].map((name) => `${name}${k}(i)`);
    const fields = { x: 'p', m: 'm', v: 'v', t: 'top' };
    const stored = Object.entries(fields).slice(0, names.length);
    return `if (linear < p.end${k}) {
    let i = ${at};
    let moved = move_${T}(h, p.decay${k}, ${old.join(', ')});
    if (on) { ${stored.map(([name, field]) => `set_y${name}${k}(i, moved.${field});`).join(' ')} }
    else { ${stored.map(([name]) => `set_y${name}${k}(i, ${name}${k}(i));`).join(' ')} }
  }`;
  };
  return shader({
    name: `adam/${s.parameters.length}`,
    operands: [
      reads('hyper', 'f32', s.hyper),
      ...s.parameters.flatMap(([input, four], k) =>
        ['x', 'g', 'm', 'v', ...(s.amsgrad ? ['t'] : [])].map((name, i) =>
          reads(`${name}${k}`, typeOf(four), input + i),
        ),
      ),
      ...s.parameters.flatMap(([, four], k) =>
        ['x', 'm', 'v', ...(s.amsgrad ? ['t'] : [])].map((name, i) =>
          writes(`y${name}${k}`, typeOf(four), s.output + k * names.length + i),
        ),
      ),
    ],
    params,
    workgroup: 256,
    alias: s.alias,
    declare: [hyperText, ...[...types].map((T) => moveText(s, T))].join('\n'),
    main: `
  let h = hyper_of();
  let on = hyper(3u) != 0.0;
  ${s.parameters.map((_, k) => branch(k)).join(' else ')}`,
  });
});

/** Storage buffers that parameter k takes: an input that shares its memory with a result counts once. */
function buffersOf(call: GpuCall<AdamAttrs>, k: number, takes: number): number {
  const inputs = call.alias.slice(k * takes, (k + 1) * takes);
  return takes - 1 + inputs.filter((to) => to === -1).length;
}

/** Kernels of Adam for so many parameters; operands as in `adamOp`. */
export function adamKernels(
  count: number,
  amsgrad: boolean,
  inplace: readonly (readonly [output: number, input: number])[],
): GpuKernels<AdamAttrs> {
  const takes = amsgrad ? 5 : 4;
  const pass = (call: GpuCall<AdamAttrs>, parameters: readonly number[]): GpuPass[] => {
    const { beta1, beta2, eps, weightDecay, decoupled, maximize } = call.attrs;
    let end = 0;
    const places = parameters.map((k) => {
      const n = sizeOf(call.inputs[k * takes].shape);
      const own = [
        ...call.inputs.slice(k * takes, (k + 1) * takes),
        ...call.outputs.slice(k * (takes - 1), (k + 1) * (takes - 1)),
      ];
      const four = n % 4 === 0 && own.every((v) => v.aligned % 4 === 0);
      end += four ? n / 4 : n;
      return { k, four, end };
    });
    if (end === 0) return [];
    const shape: AdamShape = {
      amsgrad,
      decoupled,
      parameters: places.map(({ k, four }) => [k * takes, four]),
      hyper: count * takes,
      output: call.inputs.length + parameters[0] * (takes - 1),
      alias: call.alias,
    };
    return [
      {
        shader: adamShader(JSON.stringify(shape)),
        params: [
          ...[beta1, 1 - beta1, Math.log(beta1), beta2, 1 - beta2, Math.log(beta2), eps, maximize ? -1 : 1],
          ...places.flatMap((place) => [place.end, weightDecay[place.k]]),
        ],
        workgroups: grid(end, 256),
      },
    ];
  };
  return {
    inplace,
    variants: [
      {
        name: 'together',
        supports({ inputs, attrs }, limits) {
          if (inputs[0].dtype !== 'f32') return `parameters must be f32, got ${inputs[0].dtype}`;
          if (attrs.beta1 === 0 || attrs.beta2 === 0)
            return 'means must be kept: betas of 0 have no logarithm';
          return 2 * takes <= limits.storageBuffers || `one parameter takes ${2 * takes} storage buffers`;
        },
        plan(call, limits) {
          const passes: GpuPass[] = [];
          let group: number[] = [];
          let buffers = 1; // hyper
          for (let k = 0; k < count; k++) {
            const own = buffersOf(call, k, takes);
            if (buffers + own > limits.storageBuffers) {
              passes.push(...pass(call, group));
              [group, buffers] = [[], 1];
            }
            group.push(k);
            buffers += own;
          }
          return { passes: [...passes, ...pass(call, group)] };
        },
      },
      ...(amsgrad ? [apartVariant(count)] : []),
    ],
  };
}
