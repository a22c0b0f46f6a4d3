// WebGPU kernels of Adam: one dispatch updates as many parameters as its storage buffers allow.
import { sizeOf } from '@seq/tensor';
import type { GpuCall, GpuKernels, GpuLimits, GpuPass, GpuShader } from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { apartVariant } from './adam-apart-webgpu.js';
import { hyperText } from './adam-text.js';
import type { AdamAttrs } from './optimizer-ops.js';

interface AdamShape {
  readonly amsgrad: boolean;
  readonly decoupled: boolean;
  /** For each parameter of the dispatch the number of its first input and of its first output. */
  readonly parameters: readonly (readonly [input: number, output: number])[];
  /** Parameters are read by fours. */
  readonly four: boolean;
  /** Number of the hyper input. */
  readonly hyper: number;
  readonly alias: readonly number[];
  readonly buffers: readonly number[] | undefined;
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
  const [type, T] = s.four ? (['f32x4', 'vec4f'] as const) : (['f32', 'f32'] as const);
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
      ...s.parameters.flatMap(([input], k) =>
        ['x', 'g', 'm', 'v', ...(s.amsgrad ? ['t'] : [])].map((name, i) =>
          reads(`${name}${k}`, type, input + i),
        ),
      ),
      ...s.parameters.flatMap(([, output], k) =>
        ['x', 'm', 'v', ...(s.amsgrad ? ['t'] : [])].map((name, i) =>
          writes(`y${name}${k}`, type, output + i),
        ),
      ),
    ],
    params,
    workgroup: 256,
    alias: s.alias,
    buffers: s.buffers,
    declare: [hyperText, moveText(s, T)].join('\n'),
    main: `
  let h = hyper_of();
  let on = hyper(3u) != 0.0;
  ${s.parameters.map((_, k) => branch(k)).join(' else ')}`,
  });
});

/**
 * Parameters of one dispatch at most: each has a branch of the text. A program that plays a GPU runs all branches for every
 * element, and starts a dispatch in no time.
 */
const mostOf = ({ software }: GpuLimits): number => (software ? 1 : 64);

/** Buffers of parameter k, by their first operands: inputs that share their memory with results count once. */
function buffersOf(call: GpuCall<AdamAttrs>, k: number, takes: number): number[] {
  const outputs = Array.from({ length: takes - 1 }, (_, i) => call.inputs.length + k * (takes - 1) + i);
  const inputs = Array.from({ length: takes }, (_, i) => k * takes + i);
  return [...inputs.filter((i) => call.alias[i] === -1), ...outputs].map((o) => call.buffers?.[o] ?? o);
}

/** True when a parameter and what belongs to it are whole fours. */
function inFours(call: GpuCall<AdamAttrs>, k: number, takes: number): boolean {
  const own = [
    ...call.inputs.slice(k * takes, (k + 1) * takes),
    ...call.outputs.slice(k * (takes - 1), (k + 1) * (takes - 1)),
  ];
  return own.every((v) => sizeOf(v.shape) % 4 === 0 && v.aligned % 4 === 0);
}

/** Kernels of Adam for so many parameters; operands as in `adamOp`. */
export function adamKernels(
  count: number,
  amsgrad: boolean,
  inplace: readonly (readonly [output: number, input: number])[],
): GpuKernels<AdamAttrs> {
  const takes = amsgrad ? 5 : 4;
  const all = Array.from({ length: count }, (_, k) => k);
  const pass = (call: GpuCall<AdamAttrs>, parameters: readonly number[], four: boolean): GpuPass[] => {
    const { beta1, beta2, eps, weightDecay, decoupled, maximize } = call.attrs;
    let end = 0;
    const ends = parameters.map((k) => (end += sizeOf(call.inputs[k * takes].shape) / (four ? 4 : 1)));
    if (end === 0) return [];
    const shape: AdamShape = {
      amsgrad,
      decoupled,
      parameters: parameters.map((k) => [k * takes, call.inputs.length + k * (takes - 1)]),
      four,
      hyper: count * takes,
      alias: call.alias,
      buffers: call.buffers,
    };
    return [
      {
        shader: adamShader(JSON.stringify(shape)),
        params: [
          ...[beta1, 1 - beta1, Math.log(beta1), beta2, 1 - beta2, Math.log(beta2), eps, maximize ? -1 : 1],
          ...parameters.flatMap((k, i) => [ends[i], weightDecay[k]]),
        ],
        workgroups: grid(end, 256),
      },
    ];
  };
  return {
    inplace,
    packs: Array.from({ length: takes }, (_, i) => all.map((k) => k * takes + i)),
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
          const most = mostOf(limits);
          // A buffer that is written is bound once, so a dispatch reads all by fours or none.
          for (const four of [true, false]) {
            let group: number[] = [];
            let buffers = new Set([call.buffers?.[count * takes] ?? count * takes]);
            for (const k of all.filter((k) => inFours(call, k, takes) === four)) {
              const more = new Set([...buffers, ...buffersOf(call, k, takes)]);
              if (more.size > limits.storageBuffers || group.length === most) {
                passes.push(...pass(call, group, four));
                group = [];
                buffers = new Set([
                  call.buffers?.[count * takes] ?? count * takes,
                  ...buffersOf(call, k, takes),
                ]);
              } else buffers = more;
              group.push(k);
            }
            passes.push(...pass(call, group, four));
          }
          return { passes };
        },
      },
      ...(amsgrad ? [apartVariant(count)] : []),
    ],
  };
}
